"""Stopping, archiving and deleting what nobody used for its time."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from local_platform.daytona.errors import HostError
from local_platform.daytona.model import Due, Sandbox, due
from local_platform.daytona.sandboxes import Sandboxes

logger = logging.getLogger(__name__)


class Timers:
    def __init__(self, sandboxes: Sandboxes, clock: Callable[[], datetime]) -> None:
        self._sandboxes = sandboxes
        self._clock = clock

    async def run(self, interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            try:
                await self.run_once()
            except Exception:
                logger.exception("the timers failed; they go on")

    async def run_once(self) -> int:
        self._sandboxes.flush()
        now = self._clock()
        asked = [
            (sandbox, what) for sandbox in self._sandboxes.all() if (what := due(sandbox, now))
        ]
        for sandbox, what in asked:
            try:
                await self._do(sandbox, what)
            except HostError as error:
                logger.warning("sandbox %s: %s not done: %s", sandbox.id, what, error)
        return len(asked)

    async def _do(self, sandbox: Sandbox, what: Due) -> None:
        match what:
            case Due.STOP:
                await self._sandboxes.stop(sandbox)
            case Due.ARCHIVE:
                await self._sandboxes.archive(sandbox)
            case Due.DELETE:
                await self._sandboxes.delete(sandbox)
