"""The files of a session's workspace, for its owner."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from common.contracts.sandbox import SandboxState
from common.errors import ErrorCode, GoneError, InvalidError, NotFoundError, TooLargeError

from sandbox_manager.errors import SandboxStoppedError
from sandbox_manager.model.media import TEXT, media_type
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.ports.inside import Listed, Workspaces
from sandbox_manager.ports.services import Transfer
from sandbox_manager.ports.stores import Sandboxes

MOST_TEXT = 512 * 1024
MOST_IMAGE = 2 * 1024 * 1024
MOST_UPLOAD = 4 * 1024 * 1024
MOST_ARCHIVE = 64 * 1024 * 1024


@dataclass(frozen=True)
class Sent:
    """A body put into the transfer bucket."""

    name: str
    size: int
    media_type: str


@dataclass(frozen=True)
class Browsing:
    """A sandbox that sleeps is not woken to be looked at."""

    sandboxes: Sandboxes
    workspaces: Workspaces
    transfer: Transfer

    async def list(self, owner_id: str, session_id: str, path: str) -> tuple[list[Listed], bool]:
        sandbox_id = await self._running(owner_id)
        entries, is_cut = await self.workspaces.list(sandbox_id, session_id, plain(path))
        return list(entries), is_cut

    async def read(self, owner_id: str, session_id: str, path: str) -> Sent:
        """Raises TooLargeError for text over 512 KiB and anything over 2 MiB."""
        sandbox_id = await self._running(owner_id)
        content = await self.workspaces.read(sandbox_id, session_id, plain(path), MOST_IMAGE)
        kind = media_type(content)
        if kind == TEXT and len(content) > MOST_TEXT:
            message = "a text of more than 512 KiB is not shown; download the workspace"
            raise TooLargeError(message)
        return Sent(await self.transfer.put(content), len(content), kind)

    async def write(self, owner_id: str, session_id: str, path: str, object_name: str) -> Listed:
        content = await self.transfer.take(object_name)
        if content is None:
            message = "the upload is no longer there; send it again"
            raise GoneError(message)
        if len(content) > MOST_UPLOAD:
            message = "an upload holds at most 4 MiB"
            raise TooLargeError(message)
        sandbox_id = await self._running(owner_id)
        return await self.workspaces.write(sandbox_id, session_id, plain(path), content)

    async def archive(self, owner_id: str, session_id: str) -> Sent:
        sandbox_id = await self._running(owner_id)
        content = await self.workspaces.archive(sandbox_id, session_id, MOST_ARCHIVE)
        return Sent(await self.transfer.put(content), len(content), "application/zip")

    async def _running(self, owner_id: str) -> str:
        sandbox: Sandbox = await self.sandboxes.get(owner_id)
        if sandbox.state is SandboxState.STOPPED:
            message = "the sandbox sleeps; the next message wakes it"
            raise SandboxStoppedError(message)
        if sandbox.state is not SandboxState.ACTIVE or sandbox.provider_id is None:
            message = "there is no sandbox (any more)"
            raise NotFoundError(message, code=ErrorCode.SANDBOX_NOT_FOUND)
        return sandbox.provider_id


def plain(path: str) -> str:
    """`path` itself, if it could be one inside the workspace; links are looked at inside."""
    parts = PurePosixPath(path).parts
    is_odd = any(ord(char) < 32 for char in path) or "\\" in path
    if is_odd or path.startswith("/") or ".." in parts:
        message = "this path leads out of the workspace"
        raise InvalidError(message, code=ErrorCode.PATH_REFUSED)
    return path
