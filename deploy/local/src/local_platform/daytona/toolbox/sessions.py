"""Sessions: one shell each, commands one after another in its state.

The shell reads lines from its standard input. Each command is a script that the shell sources, so
variables and the directory stay; its streams are named pipes that the daemon reads, and its exit
status comes back over one more pipe. A long command keeps the later ones of its session waiting,
which is how Daytona's sessions are.
"""

import asyncio
import fcntl
import os
import shlex
import shutil
import signal
import uuid
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from .command_log import STDERR, STDOUT, CommandLog
from .commands import SHELL
from .errors import ToolboxError, bad_request

GRACE_S = 5.0
PIPE_BYTES = 1024 * 1024


class Reader(asyncio.Protocol):
    """One stream of a command on its way into the log."""

    def __init__(self, log: CommandLog, marker: bytes) -> None:
        self._log = log
        self._marker = marker
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self._log.append(self._marker, data)

    def connection_lost(self, _exc: Exception | None) -> None:
        self.ended.set()


class SessionCommand:
    def __init__(self, text: str, folder: Path, *, takes_input: bool, echoes: bool) -> None:
        self.id = str(uuid.uuid4())
        self.text = text
        self.echoes = echoes
        self.exit_code: int | None = None
        self.done = asyncio.Event()
        self.folder = folder / self.id
        self.folder.mkdir(mode=0o700)
        self.log = CommandLog(self.folder / "log")
        self.input_fd = self._pipe("in", os.O_RDWR) if takes_input else None
        self._readers: list[Reader] = []
        self._transports: list[asyncio.BaseTransport] = []

    def described(self) -> dict[str, Any]:
        known = {} if self.exit_code is None else {"exitCode": self.exit_code}
        return {"id": self.id, "command": self.text} | known

    async def prepare(self, status: Path) -> bytes:
        """Open this end of the pipes and return the line the shell is to read."""
        script = self.folder / "command.sh"
        script.write_text(self.text + "\n")
        for name, marker in (("out", STDOUT), ("err", STDERR)):
            await self._listen(name, marker)
        given = self.folder / "in" if self.input_fd is not None else Path("/dev/null")
        paths = [
            shlex.quote(str(p))
            for p in (script, given, self.folder / "out", self.folder / "err", status)
        ]
        return '. {} <{} >{} 2>{}; printf "%s %s\\n" {id} "$?" >{}\n'.format(
            *paths, id=self.id
        ).encode()

    def send(self, data: str) -> None:
        if self.exit_code is not None or self.input_fd is None:
            raise ToolboxError(410, "COMMAND_ALREADY_COMPLETED", "the command takes no more input")
        line = data if data.endswith("\n") else data + "\n"
        try:
            os.write(self.input_fd, line.encode())
        except BlockingIOError as error:
            raise ToolboxError(409, "CONFLICT", "the command does not read its input") from error
        if self.echoes:
            self.log.append(STDOUT, line.encode())

    async def finish(self, exit_code: int) -> None:
        """Wait until every holder of its streams has closed them, then record the status."""
        for reader in self._readers:
            await reader.ended.wait()
        self.end(exit_code)

    def end(self, exit_code: int) -> None:
        if self.done.is_set():
            return
        self.exit_code = exit_code
        for transport in self._transports:
            transport.close()
        if self.input_fd is not None:
            os.close(self.input_fd)
            self.input_fd = None
        self.log.close()
        self.done.set()

    def _pipe(self, name: str, flags: int) -> int:
        path = self.folder / name
        os.mkfifo(path, 0o600)
        return os.open(path, flags | os.O_NONBLOCK)

    async def _listen(self, name: str, marker: bytes) -> None:
        descriptor = self._pipe(name, os.O_RDONLY)
        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        file = os.fdopen(descriptor, "rb", buffering=0)
        loop = asyncio.get_running_loop()
        transport, reader = await loop.connect_read_pipe(lambda: Reader(self.log, marker), file)
        self._readers.append(reader)
        self._transports.append(transport)


class Session:
    def __init__(self, session_id: str, folder: Path) -> None:
        self.id = session_id
        self.folder = folder
        self.commands: dict[str, SessionCommand] = {}
        self._status = folder / "status"
        self._tasks: set[asyncio.Task[None]] = set()
        self._process: asyncio.subprocess.Process | None = None
        self._open = ExitStack()
        self._order = asyncio.Lock()

    def described(self) -> dict[str, Any]:
        commands = [command.described() for command in self.commands.values()]
        return {"sessionId": self.id, "commands": commands}

    async def start(self, env: dict[str, str]) -> None:
        os.mkfifo(self._status, 0o600)
        # Held open for writing too, so that the pipe never ends between two commands.
        descriptor = os.open(self._status, os.O_RDWR | os.O_NONBLOCK)
        file = self._open.enter_context(os.fdopen(descriptor, "r+b", buffering=0))
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), file
        )
        self._open.callback(transport.close)
        self._process = await asyncio.create_subprocess_exec(
            SHELL,
            env=env,
            start_new_session=True,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        self._spawn(self._collect(reader))
        self._spawn(self._watch(self._process))

    async def execute(self, text: str, *, run_async: bool, echoes: bool) -> SessionCommand:
        process = self._process
        if process is None or process.stdin is None or process.returncode is not None:
            raise ToolboxError(410, "SESSION_ENDED", "the session's shell has ended")
        async with self._order:
            command = SessionCommand(text, self.folder, takes_input=run_async, echoes=echoes)
            line = await command.prepare(self._status)
            self.commands[command.id] = command
            process.stdin.write(line)
        if not run_async:
            await command.done.wait()
        return command

    async def delete(self) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            self._signal(signal.SIGTERM)
            with suppress(TimeoutError):
                async with asyncio.timeout(GRACE_S):
                    await self._gone()
        self._signal(signal.SIGKILL)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._end_all(137)
        self._open.close()
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    async def _gone(self) -> None:
        while True:
            try:
                os.killpg(self._process.pid if self._process else -1, 0)
            except (ProcessLookupError, PermissionError):
                return
            await asyncio.sleep(0.02)

    async def _collect(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            command_id, _, code = line.decode(errors="replace").strip().partition(" ")
            command = self.commands.get(command_id)
            if command is not None and code.isdecimal():
                self._spawn(command.finish(int(code)))

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """A shell that ended (`exit 3`) ends its commands with its own status."""
        code = await process.wait()
        await asyncio.sleep(0.05)
        self._end_all(code if code >= 0 else 128 - code)

    def _end_all(self, code: int) -> None:
        for command in self.commands.values():
            command.end(code)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Sessions:
    RESERVED = "entrypoint"

    def __init__(self, root: Path) -> None:
        self._root = root
        self._by_id: dict[str, Session] = {}

    async def create(self, session_id: str, env: dict[str, str]) -> None:
        if session_id == self.RESERVED:
            raise bad_request(f"{session_id!r} is a reserved session id")
        if session_id in self._by_id:
            raise ToolboxError(409, "CONFLICT", f"session {session_id!r} already exists")
        folder = self._root / str(uuid.uuid4())
        folder.mkdir(parents=True, mode=0o700)
        session = Session(session_id, folder)
        self._by_id[session_id] = session
        try:
            await session.start(env)
        except BaseException:
            del self._by_id[session_id]
            await session.delete()
            raise

    def get(self, session_id: str) -> Session:
        if session_id not in self._by_id:
            raise ToolboxError(404, "NOT_FOUND", f"session {session_id!r} not found")
        return self._by_id[session_id]

    def command(self, session_id: str, command_id: str) -> SessionCommand:
        command = self.get(session_id).commands.get(command_id)
        if command is None:
            raise ToolboxError(404, "NOT_FOUND", f"command {command_id!r} not found")
        return command

    def all(self) -> list[Session]:
        return list(self._by_id.values())

    async def delete(self, session_id: str) -> None:
        session = self.get(session_id)
        del self._by_id[session_id]
        await session.delete()
