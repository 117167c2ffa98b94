"""One sandbox that runs: its namespace, the sockets into it and its way out."""

import asyncio
import json
import logging
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from local_platform.daytona.addresses import Policy
from local_platform.daytona.bubblewrap import FORWARDER, HERMES, TOOLBOX, Jail, command
from local_platform.daytona.dial import preview_client, toolbox_client
from local_platform.daytona.egress import PROXY, PROXY_PORT, Egress
from local_platform.daytona.launched import Launched
from local_platform.daytona.limits import Bounds, Groups
from local_platform.daytona.settings import Forward

logger = logging.getLogger(__name__)

BACKLOG = 512
STOP_GRACE_S = 6.0
# `$0` are the files of the control groups that the first process joins before it becomes bwrap.
JOIN_GROUPS = 'for group in $0; do echo $$ > "$group" || exit 125; done; exec "$@"'
START = "import sys; sys.path.insert(0, {root!r}); from toolbox.__main__ import main; main()"


class StartFailedError(Exception):
    pass


@dataclass(frozen=True)
class Blueprint:
    """Everything one start needs to know."""

    name: str
    jail: Jail | None
    env: dict[str, str]
    home: Path
    root: Path
    toolbox: Path
    bounds: Bounds
    forwards: tuple[Forward, ...]
    policy: Policy
    sockets: Path


class Machine:
    def __init__(self, blueprint: Blueprint, groups: Groups) -> None:
        self._blueprint = blueprint
        self._groups = groups
        self._launched: Launched | None = None
        self._watch: asyncio.Task[None] | None = None
        self._toolbox_path = blueprint.sockets / f"{blueprint.name}.t"
        self._dial_path = blueprint.sockets / f"{blueprint.name}.d"
        egress_path = blueprint.sockets / f"{blueprint.name}.e"
        self.egress = Egress(egress_path, blueprint.policy, blueprint.forwards)
        self.toolbox: aiohttp.ClientSession | None = None
        self.preview: aiohttp.ClientSession | None = None

    async def start(self, timeout_s: float, ended: Callable[[], None]) -> None:
        """Start and wait until the daemon answers. Raises StartFailedError, leaving nothing."""
        try:
            await self.egress.start()
            with ExitStack() as mine:
                toolbox = mine.enter_context(listening(self._toolbox_path))
                dials = mine.enter_context(listening(self._dial_path))
                self._launched = await self._launch((toolbox.fileno(), dials.fileno()))
            self.toolbox = toolbox_client(self._toolbox_path)
            self.preview = preview_client(self._dial_path)
            await answers(self._launched, self.toolbox, timeout_s)
        except BaseException as error:
            await self.stop(force=True)
            if isinstance(error, Exception):
                said = self._launched.last_words() if self._launched else ""
                reason = said or str(error) or type(error).__name__
                raise StartFailedError(f"the sandbox did not start: {reason}") from error
            raise
        self._launched.hold()
        self._watch = asyncio.ensure_future(watch(self._launched, ended))

    async def stop(self, *, force: bool = False) -> None:
        """End every process and take away everything that stood for this run."""
        if self._watch is not None:
            self._watch.cancel()
        if self._launched is not None:
            # Without a namespace only the daemon knows what belongs to the sandbox.
            if not force or self._blueprint.jail is None:
                await self._ask_to_stop(self._launched)
            await self._launched.kill()
        for session in (self.toolbox, self.preview):
            if session is not None:
                await session.close()
        await self.egress.close()
        for path in (self._toolbox_path, self._dial_path):
            path.unlink(missing_ok=True)
        await asyncio.to_thread(self._groups.remove, self._blueprint.name)

    async def _launch(self, sockets: tuple[int, int]) -> Launched:
        blueprint = self._blueprint
        if blueprint.jail is None:
            daemon = self._daemon(sockets, blueprint.root, blueprint.toolbox)
            return await self._execute(daemon, sockets, [])
        files = self._groups.make(blueprint.name, blueprint.bounds)
        with command(blueprint.jail, self._daemon(sockets, HERMES, TOOLBOX)) as launch:
            return await self._execute(launch.argv, (*sockets, *launch.descriptors), files)

    def _daemon(self, sockets: tuple[int, int], root: Path, toolbox: Path) -> list[str]:
        blueprint = self._blueprint
        inside = blueprint.jail is not None
        named = {forward.port: f"{forward.name}:{forward.port}" for forward in blueprint.forwards}
        given = {
            "toolbox_fd": sockets[0],
            "dial_fd": sockets[1],
            "forwarder": str(FORWARDER) if inside else None,
            "outward": {PROXY_PORT: PROXY} | named,
            "limits": blueprint.bounds.rlimits(self._groups.kind) if inside else {},
        }
        start = START.format(root=str(toolbox))
        return [str(root / "bin" / "python"), "-I", "-c", start, json.dumps(given)]

    async def _execute(
        self, argv: list[str], descriptors: tuple[int, ...], groups: list[Path]
    ) -> Launched:
        blueprint = self._blueprint
        proxies = {} if blueprint.jail else await self.egress.on_loopback()
        process = await asyncio.create_subprocess_exec(
            *["/bin/sh", "-c", JOIN_GROUPS, " ".join(map(str, groups)), *argv],
            env=blueprint.env | proxies,
            cwd=blueprint.home,
            pass_fds=descriptors,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=blueprint.jail is None,
        )
        return Launched(process)

    async def _ask_to_stop(self, launched: Launched) -> None:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(STOP_GRACE_S):
                _, writer = await asyncio.open_unix_connection(self._dial_path)
                writer.write(b"stop\n")
                await launched.wait()
                writer.close()


async def answers(launched: Launched, toolbox: aiohttp.ClientSession, timeout_s: float) -> None:
    """Raises StartFailedError when the process ends before its daemon speaks."""
    asking = asyncio.ensure_future(ask_version(toolbox))
    ending = asyncio.ensure_future(launched.ended())
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.wait({asking, ending}, return_when=asyncio.FIRST_COMPLETED)
        if not asking.done():
            msg = "its first process ended"
            raise StartFailedError(msg)
        await asking
    finally:
        asking.cancel()
        ending.cancel()
        await asyncio.gather(asking, ending, return_exceptions=True)


async def watch(launched: Launched, ended: Callable[[], None]) -> None:
    await launched.wait()
    ended()


def listening(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(BACKLOG)
    return listener


async def ask_version(session: aiohttp.ClientSession) -> None:
    async with session.get("http://toolbox/version") as found:
        found.raise_for_status()
