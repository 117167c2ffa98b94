"""The processes that carry the mark of a stack, and their end."""

import asyncio

import psutil

from local_platform.stack.environment import MARK
from local_platform.stack.layout import Layout

TERM_S = 3.0
KILL_S = 5.0


def marked(layout: Layout) -> list[psutil.Process]:
    """Every process that was started for the stack in `layout`, whoever its parent is by now."""
    return [process for process in psutil.process_iter() if _carries(process, str(layout.root))]


def _carries(process: psutil.Process, root: str) -> bool:
    try:
        return bool(process.environ().get(MARK) == root)
    except (psutil.Error, OSError):
        return False


async def end(layout: Layout, *, at_once: bool = False) -> int:
    """End them; how many there were."""
    found = 0
    steps = [("terminate", TERM_S), ("kill", KILL_S)]
    for signal, patience_s in steps[1:] if at_once else steps:
        alive = marked(layout)
        found = max(found, len(alive))
        for process in alive:
            _signal(process, signal)
        await asyncio.to_thread(psutil.wait_procs, alive, patience_s)
    return found


def _signal(process: psutil.Process, name: str) -> None:
    try:
        getattr(process, name)()
    except psutil.Error:
        return
