"""Asking again where that may help: an outage, or a provider that names the time to come back."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from common.clock import Clock
from common.errors import AppError, ErrorCode, RateLimitedError

from sandbox_manager.errors import (
    ProviderUnavailableError,
    QuotaExceededError,
    SandboxBusyError,
)
from sandbox_manager.ports.own import Sleep

ValueT = TypeVar("ValueT")
Tell = Callable[[AppError, float], Awaitable[None]]

_TRIES = 4
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE = timedelta(seconds=60)
_OUTAGES = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.DEADLINE_EXCEEDED})


async def _untold(_: AppError, __: float) -> None:
    return


@dataclass(frozen=True)
class Persistence:
    """For calls that may be made twice. `tell` gets what went wrong and the pause in seconds."""

    clock: Clock
    sleep: Sleep = asyncio.sleep
    tell: Tell = _untold

    async def run(self, call: Callable[[], Awaitable[ValueT]]) -> ValueT:
        for attempt in range(_TRIES - 1):
            try:
                return await call()
            except AppError as exc:
                pause_s = self._pause_s(exc, attempt)
                if pause_s is None:
                    raise
                await self.tell(exc, pause_s)
                await self.sleep(pause_s)
        return await call()

    def _pause_s(self, exc: AppError, attempt: int) -> float | None:
        if isinstance(exc, QuotaExceededError):
            return None
        if isinstance(exc, RateLimitedError) and exc.retry_at is not None:
            wait = exc.retry_at - self.clock()
            return max(wait.total_seconds(), 1.0) if wait <= _LONGEST_PAUSE else None
        passing = (ProviderUnavailableError, SandboxBusyError)
        is_outage = isinstance(exc, passing) or exc.code in _OUTAGES
        return _FIRST_PAUSE_S * 3**attempt if is_outage else None
