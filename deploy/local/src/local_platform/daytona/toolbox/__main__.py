"""Start the daemon: two listening sockets by number, the rest as one JSON argument."""

import asyncio
import json
import os
import resource
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

from .app import build
from .endings import adopt_orphans, end_others
from .environment import inherited
from .tunnel import serve_dials, serve_outward

KEEPALIVE_S = 3600


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
    await end_others(is_namespace=bool(given["forwarder"]))


def main() -> None:
    given = json.loads(sys.argv[-1])
    os.umask(0o022)
    limit(given["limits"])
    for descriptor in (given["toolbox_fd"], given["dial_fd"]):
        os.set_inheritable(descriptor, False)
    if not given["forwarder"]:
        adopt_orphans()
    os.chdir(Path.home())
    asyncio.run(serve(given))


if __name__ == "__main__":
    main()
