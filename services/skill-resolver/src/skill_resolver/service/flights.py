"""One flight per key: whoever asks for what is being fetched waits for that fetch.

The fetch is a task of its own, so that a caller who gives up does not take it away from the
others, or from himself when he asks again. Tasks are held here until they end.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Flights:
    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Future[Any]] = {}

    async def join(self, key: Hashable, fetch: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of the fetch for `key`, begun here unless it is under way."""
        task: asyncio.Future[T] | None = self._tasks.get(key)
        if task is None:
            task = asyncio.ensure_future(fetch())
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._land(key, done))
        return await asyncio.shield(task)

    async def drain(self) -> None:
        """Cancel what is under way and wait for it."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _land(self, key: Hashable, done: asyncio.Future[Any]) -> None:
        self._tasks.pop(key, None)
        if not done.cancelled():
            # Read here, so that a failure nobody waits for any more is not reported as lost.
            done.exception()
