"""Waiting until every process says that it is ready, and telling a process that dies instead."""

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from local_platform.stack import supervision
from local_platform.stack.console import Console
from local_platform.stack.faults import FaultError
from local_platform.stack.layout import Layout
from local_platform.stack.ports import HOST
from local_platform.stack.processes import Process

ASK_EVERY_S = 0.05
LOOK_EVERY_S = 0.5
REMIND_EVERY_S = 10.0
ANSWER_S = 3.0
ENDS_ALLOWED = 2
TAIL_LINES = 25


class Waiting:
    """Which processes are not ready yet, and why."""

    def __init__(self, console: Console, reasons: dict[str, str]) -> None:
        self._console = console
        self.reasons = reasons

    def end(self, process: Process) -> None:
        self.reasons.pop(process.name, None)
        where = f" on port {process.port}" if process.port else ""
        self._console.step(f"{process.name} is ready{where}")

    async def remind(self) -> None:
        while True:
            await asyncio.sleep(REMIND_EVERY_S)
            for name, reason in self.reasons.items():
                self._console.step(f"waiting for {name}: {reason}")


class Watch:
    """How often each process has ended since the start."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._ends: dict[str, set[int]] = {}

    async def keep(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Raise FaultError when a process has given up, or ends again and again."""
        for condition in await asyncio.to_thread(supervision.conditions, self._layout):
            if condition.state in ("BACKOFF", "EXITED", "FATAL"):
                self._judge(condition)

    def _judge(self, condition: supervision.Condition) -> None:
        ends = self._ends.setdefault(condition.name, set())
        ends.add(condition.ended_at)
        if condition.state == "FATAL" or condition.fault or len(ends) > ENDS_ALLOWED:
            told = f"{condition.name} does not stay up: {condition.fault or condition.detail}"
            raise FaultError(f"{told}\n{died(self._layout, condition.name)}")


async def wait_until_ready(
    processes: Sequence[Process], layout: Layout, console: Console, timeout_s: float
) -> None:
    """Return when all are ready. Raises FaultError when one dies or the time is over."""
    waiting = Waiting(console, {process.name: "not started yet" for process in processes})
    try:
        async with asyncio.timeout(timeout_s), aiohttp.ClientSession() as session:
            await _all_ready(processes, session, waiting, Watch(layout))
    except TimeoutError:
        names = "".join(f"\n  {name}: {reason}" for name, reason in waiting.reasons.items())
        tails = "\n".join(died(layout, name) for name in list(waiting.reasons)[:2])
        raise FaultError(f"Not ready after {timeout_s:.0f} s:{names}\n{tails}") from None
    except ExceptionGroup as group:
        faults, others = group.split(FaultError)
        raise (others or faults or group).exceptions[0] from None


async def _all_ready(
    processes: Sequence[Process],
    session: aiohttp.ClientSession,
    waiting: Waiting,
    watch: Watch,
) -> None:
    async with asyncio.TaskGroup() as helpers:
        running = [helpers.create_task(watch.keep()), helpers.create_task(waiting.remind())]
        async with asyncio.TaskGroup() as waits:
            for process in processes:
                waits.create_task(_wait(process, session, waiting))
        for helper in running:
            helper.cancel()


async def _wait(process: Process, session: aiohttp.ClientSession, waiting: Waiting) -> None:
    while (reason := await ask(process, session)) is not None:
        waiting.reasons[process.name] = reason
        await asyncio.sleep(ASK_EVERY_S)
    waiting.end(process)


async def ask(process: Process, session: aiohttp.ClientSession) -> str | None:
    """None when the process is ready, otherwise what it waits for, as far as it says."""
    if process.port is None:
        return None
    try:
        async with asyncio.timeout(ANSWER_S):
            if process.ready is None:
                _, writer = await asyncio.open_connection(HOST, process.port)
                writer.close()
                return None
            async with session.get(f"{process.url}{process.ready}") as response:
                return None if response.status == 200 else _reason(await response.text())
    except (OSError, TimeoutError, aiohttp.ClientError):
        return "no answer yet"


def _reason(text: str) -> str:
    return " ".join(text.split())[:200]


def died(layout: Layout, name: str) -> str:
    return f"The last lines of {name} ({layout.log(name)}):\n{tail(layout.log(name))}"


def tail(path: Path) -> str:
    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines = path.read_text(errors="replace").splitlines()[-TAIL_LINES:]
    return "\n".join(f"  {line}" for line in lines) or "  (nothing)"
