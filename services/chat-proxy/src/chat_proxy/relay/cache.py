"""Answers kept for a short time, fetched once however many ask."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_MOST = 10_000


class Cache(Generic[K, V]):
    """Keeps an answer for `ttl_s`; failures are not kept."""

    def __init__(self, ttl_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl_s = ttl_s
        self._clock = clock
        self._kept: dict[K, tuple[float, V]] = {}
        self._loading: dict[K, asyncio.Future[V]] = {}

    async def get(self, key: K, load: Callable[[], Awaitable[V]]) -> V:
        """The kept answer, or what `load` says; callers at the same time share one call."""
        kept = self._kept.get(key)
        if kept is not None and self._clock() < kept[0]:
            return kept[1]
        loading = self._loading.get(key)
        if loading is None:
            loading = asyncio.ensure_future(self._load(key, load))
            self._loading[key] = loading
        # One caller that goes away must not take the answer from the others.
        return await asyncio.shield(loading)

    def drop(self, matches: Callable[[K, V], bool]) -> None:
        """Forget what matches, and whatever is being fetched at this moment."""
        self._loading.clear()
        self._kept = {key: kept for key, kept in self._kept.items() if not matches(key, kept[1])}

    async def _load(self, key: K, load: Callable[[], Awaitable[V]]) -> V:
        own = asyncio.current_task()
        try:
            value = await load()
            if self._loading.get(key) is own:
                self._keep(key, value)
            return value
        finally:
            if self._loading.get(key) is own:
                del self._loading[key]

    def _keep(self, key: K, value: V) -> None:
        if len(self._kept) >= _MOST:
            self._kept.clear()
        self._kept[key] = (self._clock() + self._ttl_s, value)
