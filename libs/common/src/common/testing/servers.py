"""The real nats-server and the real MongoDB-compatible store, on free ports, for tests."""

import asyncio
import contextlib
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

_UP_S = 30.0


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def nats_server(
    directory: Path, *, config: str = "", environment: Mapping[str, str] | None = None
) -> AsyncIterator[str]:
    """A nats-server with JetStream below `directory`; yields its URL."""
    port = free_port()
    file = directory / "nats.conf"
    file.write_text(config)
    command = [script("nats-server"), "-c", str(file), "-a", "127.0.0.1", "-p", str(port)]
    async with _process([*command, "-js", "-sd", str(directory)], port, environment):
        yield f"{'tls' if 'tls {' in config else 'nats'}://127.0.0.1:{port}"


@asynccontextmanager
async def mongo_server(directory: Path) -> AsyncIterator[str]:
    """A MongoDB-compatible store below `directory`; yields its URI."""
    port = free_port()
    command = [
        script("secantusd-py"),
        "--port",
        str(port),
        "--storage-path",
        str(directory),
        "--sync-on-commit",
        "--log-level",
        "ERROR",
    ]
    async with _process(command, port):
        yield f"mongodb://127.0.0.1:{port}"


def script(name: str) -> str:
    """A console script of this environment, or of the PATH."""
    own = Path(sysconfig.get_path("scripts")) / name
    found = str(own) if own.exists() else shutil.which(name)
    if found is None:
        message = f"{name} is not installed in {sys.prefix}"
        raise FileNotFoundError(message)
    return found


@asynccontextmanager
async def _process(
    command: list[str], port: int, environment: Mapping[str, str] | None = None
) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    try:
        await listening(port)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def listening(port: int, *, within_s: float = _UP_S) -> None:
    """Wait until somebody listens on `port`. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while True:
            if await is_listening(port):
                return
            await asyncio.sleep(0.02)


async def is_listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
