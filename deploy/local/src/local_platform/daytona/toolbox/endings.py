"""Ending everything that belongs to this sandbox."""

import asyncio
import ctypes
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

GRACE_S = 4.0
STEP_S = 0.02
KILL_ROUNDS = 20
SET_PARENT_DEATH_SIGNAL = 1
SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Without a namespace: children of children come back to this process, to be ended with it."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)


async def end_others(*, is_namespace: bool) -> None:
    """Ask every process of the sandbox to end and give them a moment; then end what is left."""
    find = in_namespace if is_namespace else descendants
    send(signal.SIGTERM, find())
    if await emptied(find, GRACE_S) or is_namespace:
        return
    for _ in range(KILL_ROUNDS):
        send(signal.SIGKILL, find())
        if await emptied(find, STEP_S * 5):
            return


async def emptied(find: Callable[[], list[int]], within_s: float) -> bool:
    for _ in range(int(within_s / STEP_S)):
        if not find():
            return True
        await asyncio.sleep(STEP_S)
    return False


def send(number: int, processes: list[int]) -> None:
    for process in processes:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)


def living() -> dict[int, int]:
    """Every living process with its parent."""
    found = {}
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            with suppress(OSError, ValueError):
                state, parent = (path / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    found[int(path.name)] = int(parent)
    return found


def in_namespace() -> list[int]:
    """All but the namespace's first process and this one."""
    return [process for process in living() if process not in {1, os.getpid()}]


def descendants() -> list[int]:
    parents = living()
    found: list[int] = []
    wanted = {os.getpid()}
    while new := [p for p, parent in parents.items() if parent in wanted and p not in found]:
        found += new
        wanted = set(new)
    return found
