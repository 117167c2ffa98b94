"""`python -m local_platform.stack`: up, down, status, logs, token."""

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from pydantic import ValidationError

from local_platform.stack import secret_files, state, supervision, tokens
from local_platform.stack.console import Console
from local_platform.stack.down import down
from local_platform.stack.faults import FaultError
from local_platform.stack.layout import Layout
from local_platform.stack.processes import Table, platform
from local_platform.stack.readable import readable
from local_platform.stack.settings import Settings, operator_environment
from local_platform.stack.up import Up

NOT_RUNNING = 3
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None, table: Table = platform) -> int:
    asked = _parser().parse_args(arguments)
    console = Console()
    try:
        settings = Settings()
        return _run(asked, settings, table, console)
    except ValidationError as error:
        faults = [f"LOCAL_{fault['loc'][0]}: {fault['msg']}" for fault in error.errors()]
        console.fault("\n".join(faults).upper())
    except FaultError as fault:
        console.fault(str(fault))
    except OSError as error:
        console.fault(f"{error.strerror}: {error.filename}" if error.filename else str(error))
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="local_platform.stack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start the platform and wait until it is ready")
    up.add_argument("--detach", action="store_true", help="leave it running in the background")
    commands.add_parser("down", help="stop the platform")
    commands.add_parser("status", help="what runs")
    commands.add_parser("logs", help="follow all logs")
    commands.add_parser("url", help="the address of the platform that runs")
    run = commands.add_parser("run", help="run one process of the platform in the foreground")
    run.add_argument("process", help="its name, as status tells it")
    token = commands.add_parser("token", help="a bearer token of the local issuer")
    token.add_argument("--user", required=True, help="whom the token speaks for")
    return parser


def _run(asked: argparse.Namespace, settings: Settings, table: Table, console: Console) -> int:
    layout = settings.layout
    commands: dict[str, Callable[[], int]] = {
        "up": lambda: asyncio.run(
            _interruptible(
                Up(settings, operator_environment(), table, console), detach=asked.detach
            )
        ),
        "down": lambda: asyncio.run(down(layout, console)),
        "status": lambda: status(layout, console),
        "logs": lambda: logs(layout, console),
        "url": lambda: url(layout, console),
        "run": lambda: run(layout, console, asked.process),
        "token": lambda: token(layout, console, asked.user),
    }
    return commands[asked.command]()


async def _interruptible(start: Up, *, detach: bool) -> int:
    """The first signal stops everything in order, the second at once."""
    running = asyncio.ensure_future(start.run(detach=detach))

    def interrupt() -> None:
        if running.cancelling():
            start.hurry.set()
        else:
            running.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupt)
    try:
        return await running
    except asyncio.CancelledError:
        return 0 if start.was_ready else INTERRUPTED
    except ExceptionGroup as group:
        faults, _ = group.split(FaultError)
        raise (faults or group).exceptions[0] from None


def status(layout: Layout, console: Console) -> int:
    running = state.read(layout)
    conditions = supervision.conditions(layout) if supervision.running(layout) else []
    if not conditions:
        console.say("Nothing is running.")
        return NOT_RUNNING
    for told in conditions:
        pid = f"pid {told.pid}" if told.pid else told.detail
        console.say(f"{told.name:16} {told.state.lower():9} {pid:12} {told.uptime_s:7} s")
    console.say(f"Ready: {running['url']}" if running else "Not ready yet.")
    return 0


def logs(layout: Layout, console: Console) -> int:
    """Follow all logs: as they are, or for a person at a terminal."""
    files = sorted(str(path) for path in layout.logs.glob("*.log"))
    tail = shutil.which("tail")
    if not files or not tail:
        console.say(f"There are no logs in {layout.logs} yet.")
        return 1
    follow = [tail, "-q", "-n", "20", "-F", *files]
    if not sys.stdout.isatty():
        os.execv(tail, follow)
    with subprocess.Popen(follow, stdout=subprocess.PIPE, text=True, errors="replace") as tailing:
        try:
            for line in tailing.stdout or ():
                console.say(readable(line.rstrip("\n")))
        except KeyboardInterrupt:
            tailing.terminate()
    return INTERRUPTED


def url(layout: Layout, console: Console) -> int:
    running = state.read(layout)
    if running is None:
        console.fault("Nothing is running; start it with: make up")
        return NOT_RUNNING
    console.say(running["url"])
    return 0


def run(layout: Layout, console: Console, process: str) -> int:
    """Take a process out of the platform, run it here, and give it back at the end."""
    script = layout.script(process)
    if supervision.running(layout) is None or not script.exists():
        console.fault(f"There is no {process} in a platform that runs; make up starts one.")
        return NOT_RUNNING
    # Ctrl-C reaches the process as it reaches this one, and ends it.
    with supervision.taken_out(layout, process), contextlib.suppress(KeyboardInterrupt):
        return subprocess.run(["/bin/sh", str(script)], check=False).returncode
    return INTERRUPTED


def token(layout: Layout, console: Console, user: str) -> int:
    layout.make()
    issuer_key = secret_files.ensure(layout)[secret_files.ISSUER_KEY]
    console.say(tokens.mint(user, issuer_key, datetime.now(UTC)))
    return 0
