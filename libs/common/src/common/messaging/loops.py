"""Loops that bring actual to desired: level-triggered, woken by hints, surviving any failure of a
step.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from common.metrics.table import LOOP_FAILURES

logger = logging.getLogger(__name__)


class Hint:
    """Tells a loop that there may be work; losing one costs latency, never correctness."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def give(self) -> None:
        self._event.set()

    async def wait(self, at_most: timedelta) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), at_most.total_seconds())
        self._event.clear()


async def every(
    interval: timedelta, run_once: Callable[[], Awaitable[int]], *, hint: Hint | None = None
) -> None:
    """Call `run_once` for ever: again at once while it did something, else after `interval` or a
    hint.
    """
    hint = hint or Hint()
    while True:
        try:
            done = await run_once()
        except Exception:
            LOOP_FAILURES.add(loop=getattr(run_once, "__qualname__", "loop"))
            logger.exception("a turn of the loop failed and is tried again")
            done = 0
        if done == 0:
            await hint.wait(interval)
