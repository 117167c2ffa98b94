"""`down`: end everything that belongs to a stack, in order where there is time."""

import asyncio
import contextlib
import time

import psutil

from local_platform.stack import leftovers, state, supervision
from local_platform.stack.console import Console
from local_platform.stack.layout import Layout
from local_platform.stack.lock import BusyError, held

PATIENCE_S = 60.0
LOOK_EVERY_S = 0.1


async def stop(layout: Layout, console: Console, hurry: asyncio.Event | None = None) -> bool:
    """End `supervisord` and all that it runs, then whatever else carries the stack's mark.

    False when there was nothing to end. `hurry` set meanwhile ends everything at once.
    """
    state.forget(layout)
    hurry = hurry or asyncio.Event()
    supervisor = supervision.running(layout)
    if supervisor is not None:
        console.step("stopping")
        await _end(supervisor, hurry)
    left = await leftovers.end(layout, at_once=hurry.is_set())
    if left:
        console.step(f"ended {left} processes that were left")
    if supervisor is not None:
        console.step("stopped")
    return bool(supervisor or left)


async def down(layout: Layout, console: Console) -> int:
    """Stop the stack from elsewhere, whoever started it."""
    layout.make()
    asked: set[int] = set()
    give_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            with held(layout):
                ended = await stop(layout, console) or asked
                console.say("The platform is stopped." if ended else "Nothing is running.")
                return 0
        except BusyError as busy:
            _ask_to_stop(busy.pid, asked, kill=time.monotonic() > give_up)
        await asyncio.sleep(LOOK_EVERY_S)


def _ask_to_stop(pid: int, asked: set[int], *, kill: bool) -> None:
    """Tell the starter once: a second signal would have it skip the order."""
    with contextlib.suppress(psutil.Error, ValueError):
        if kill:
            psutil.Process(pid).kill()
        elif pid not in asked:
            asked.add(pid)
            psutil.Process(pid).terminate()


async def _end(supervisor: psutil.Process, hurry: asyncio.Event) -> None:
    give_up = time.monotonic() + PATIENCE_S
    with contextlib.suppress(psutil.Error):
        supervisor.terminate()
        while supervisor.is_running() and supervisor.status() != psutil.STATUS_ZOMBIE:
            if hurry.is_set() or time.monotonic() > give_up:
                supervisor.kill()
            await asyncio.sleep(LOOK_EVERY_S)
