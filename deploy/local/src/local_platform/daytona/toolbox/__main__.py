"""Start the daemon: two listening sockets by number, the rest as one JSON argument."""

import asyncio
import json
import os
import resource
import shutil
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import web

from .app import build
from .environment import inherited
from .tunnel import serve_dials, serve_outward

KEEPALIVE_S = 3600
GRACE_S = 4.0
STEP_S = 0.02


def limit(limits: dict[str, int]) -> None:
    """Bound what this process and all it starts may use; a lower limit of the system stays."""
    for name, wanted in limits.items():
        which = getattr(resource, f"RLIMIT_{name}")
        _, hard = resource.getrlimit(which)
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(which, (allowed, allowed))


async def serve(given: dict[str, Any]) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    sessions = Path.home() / ".daytona" / "sessions"
    shutil.rmtree(sessions, ignore_errors=True)
    app = build(inherited(), sessions)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=KEEPALIVE_S)
    await runner.setup()
    await web.SockSite(runner, socket.socket(fileno=given["toolbox_fd"])).start()
    await serve_dials(socket.socket(fileno=given["dial_fd"]), stopped.set)
    if given["forwarder"]:
        labels = {int(port): label for port, label in given["outward"].items()}
        await serve_outward(labels, given["forwarder"])
    await stopped.wait()
    if given["forwarder"]:
        await end_all()


async def end_all() -> None:
    """Ask every process of this namespace to end, and give them a moment."""
    with suppress(ProcessLookupError):
        os.kill(-1, signal.SIGTERM)
    for _ in range(int(GRACE_S / STEP_S)):
        if not others():
            return
        await asyncio.sleep(STEP_S)


def others() -> list[str]:
    """Living processes but the namespace's first and this one."""
    found = [path.name for path in Path("/proc").iterdir() if path.name.isdecimal()]
    return [name for name in found if int(name) not in {1, os.getpid()} and is_alive(name)]


def is_alive(name: str) -> bool:
    try:
        state = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def main() -> None:
    given = json.loads(sys.argv[-1])
    os.umask(0o022)
    limit(given["limits"])
    for descriptor in (given["toolbox_fd"], given["dial_fd"]):
        os.set_inheritable(descriptor, False)
    os.chdir(Path.home())
    asyncio.run(serve(given))


if __name__ == "__main__":
    main()
