"""Files and processes inside a sandbox, through the provider's toolbox."""

import secrets
from collections.abc import Mapping
from typing import Protocol

from common.errors import NotFoundError
from daytona import AsyncSandbox, FileUpload, SessionExecuteRequest

from sandbox_manager.adapters.daytona.errors import mapped_errors

UPLOAD_S = 60
COMMAND_S = 60
SESSION_S = 20


class Machines(Protocol):
    """Who has the SDK's objects."""

    async def sandbox(self, sandbox_id: str) -> AsyncSandbox: ...


class Toolbox:
    def __init__(self, provider: Machines) -> None:
        self._provider = provider

    async def upload(self, sandbox_id: str, files: Mapping[str, bytes]) -> None:
        """Put all files up in one request."""
        uploads = [FileUpload(content, path) for path, content in files.items()]
        with mapped_errors():
            sandbox = await self._provider.sandbox(sandbox_id)
            await sandbox.fs.upload_files(uploads, timeout=UPLOAD_S)

    async def download(self, sandbox_id: str, path: str) -> bytes:
        with mapped_errors():
            sandbox = await self._provider.sandbox(sandbox_id)
            content = await sandbox.fs.download_file(path, UPLOAD_S)
        return bytes(content)

    async def run(
        self, sandbox_id: str, command: str, *, timeout_s: int = COMMAND_S
    ) -> tuple[int, str]:
        """Run to the end; exit status, and what it wrote to both outputs."""
        with mapped_errors():
            sandbox = await self._provider.sandbox(sandbox_id)
            done = await sandbox.process.exec(command, timeout=timeout_s)
        return int(done.exit_code), str(done.result)

    async def open_session(self, sandbox_id: str) -> str:
        """A shell of its own: a lasting command would hold up every later one of its session."""
        name = f"tryskills-{secrets.token_hex(6)}"
        with mapped_errors():
            sandbox = await self._provider.sandbox(sandbox_id)
            await sandbox.process.create_session(name, request_timeout=SESSION_S)
        return name

    async def run_in_session(self, sandbox_id: str, session: str, command: str) -> None:
        """Start `command` and come back at once."""
        request = SessionExecuteRequest(command=command, run_async=True)
        with mapped_errors():
            sandbox = await self._provider.sandbox(sandbox_id)
            await sandbox.process.execute_session_command(session, request, timeout=SESSION_S)

    async def close_session(self, sandbox_id: str, session: str) -> None:
        """End what runs in it; a session that is gone is not an error."""
        try:
            with mapped_errors():
                sandbox = await self._provider.sandbox(sandbox_id)
                await sandbox.process.delete_session(session, request_timeout=SESSION_S)
        except NotFoundError:
            return
