"""A session's workspace, through the sandbox's toolbox."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from common.errors import (
    AppError,
    ErrorCode,
    InvalidError,
    NotFoundError,
    TooLargeError,
)

from sandbox_manager.adapters.inside import browse
from sandbox_manager.adapters.inside.commands import Shell, answer_in, program
from sandbox_manager.errors import ProviderUnavailableError
from sandbox_manager.model.config import OWN_FILES, WORK_ROOT
from sandbox_manager.ports.inside import Listed, Workspaces

DEPTH = 3
MOST_ENTRIES = 500

_REFUSALS: dict[str, AppError] = {
    "path_refused": InvalidError(
        "this path is not inside the workspace, or not a plain file", code=ErrorCode.PATH_REFUSED
    ),
    "file_not_found": NotFoundError("no such file", code=ErrorCode.FILE_NOT_FOUND),
    "too_large": TooLargeError("this is larger than what can be sent"),
}


class SandboxWorkspaces(Workspaces):
    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    async def list(
        self, sandbox_id: str, session_id: str, path: str
    ) -> tuple[Sequence[Listed], bool]:
        limits = {"depth": DEPTH, "most": MOST_ENTRIES}
        answer = await self._ask(sandbox_id, session_id, "list", path=path, **limits)
        return [_listed(entry) for entry in answer["entries"]], bool(answer["is_cut"])

    async def read(self, sandbox_id: str, session_id: str, path: str, limit: int) -> bytes:
        async with self._aside(sandbox_id, session_id) as aside:
            await self._ask(sandbox_id, session_id, "take", path=path, limit=limit, aside=aside)
            return await self._shell.download(sandbox_id, aside)

    async def write(self, sandbox_id: str, session_id: str, path: str, content: bytes) -> Listed:
        async with self._aside(sandbox_id, session_id) as aside:
            await self._shell.upload(sandbox_id, {aside: content})
            return _listed(await self._ask(sandbox_id, session_id, "put", path=path, aside=aside))

    async def archive(self, sandbox_id: str, session_id: str, limit: int) -> bytes:
        async with self._aside(sandbox_id, session_id) as aside:
            await self._ask(sandbox_id, session_id, "archive", limit=limit, aside=aside)
            return await self._shell.download(sandbox_id, aside)

    @asynccontextmanager
    async def _aside(self, sandbox_id: str, session_id: str) -> AsyncIterator[str]:
        """A place that nobody else uses, emptied afterwards."""
        aside = f"{OWN_FILES}/aside-{secrets.token_hex(8)}"
        try:
            yield aside
        finally:
            await self._ask(sandbox_id, session_id, "drop", aside=aside)

    async def _ask(
        self, sandbox_id: str, session_id: str, command: str, **args: Any
    ) -> dict[str, Any]:
        asked = {"workspace": f"{WORK_ROOT}/{session_id}", **args}
        _, output = await self._shell.run(sandbox_id, program(command, asked, browse))
        answer = answer_in(output)
        if answer is None or "error" in answer:
            message = "the sandbox's files could not be read or written"
            raise ProviderUnavailableError(message)
        if "refused" in answer:
            known = _REFUSALS[answer["refused"]]
            raise type(known)(known.detail, code=known.code)
        return answer


def _listed(entry: dict[str, Any]) -> Listed:
    return Listed(
        path=entry["path"],
        is_directory=entry["is_directory"],
        size=entry["size"],
        modified_at=datetime.fromtimestamp(entry["modified_at"], UTC),
    )
