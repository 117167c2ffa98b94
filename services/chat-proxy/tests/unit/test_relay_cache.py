"""Answers kept for a short time."""

import asyncio

import pytest
from chat_proxy.relay.cache import Cache


class Source:
    """Answers when told to."""

    def __init__(self) -> None:
        self.calls = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None

    async def load(self) -> int:
        self.calls += 1
        answer = self.calls
        await self.gate.wait()
        if self.failure:
            raise self.failure
        return answer


class TestCache:
    async def test_an_answer_is_kept_until_its_time_is_over(self) -> None:
        now, source = [0.0], Source()
        cache = Cache[str, int](5, clock=lambda: now[0])

        answers = [await cache.get("a", source.load)]
        now[0] = 4.9
        answers.append(await cache.get("a", source.load))
        now[0] = 5.0
        answers.append(await cache.get("a", source.load))

        assert answers == [1, 1, 2]

    async def test_callers_at_once_share_a_call(self) -> None:
        cache, source = Cache[str, int](5), Source()

        answers = await asyncio.gather(*(cache.get("a", source.load) for _ in range(10)))

        assert (answers, source.calls) == ([1] * 10, 1)

    async def test_a_caller_that_goes_away_takes_nothing_from_the_others(self) -> None:
        cache, source = Cache[str, int](5), Source()
        source.gate.clear()
        leaver = asyncio.ensure_future(cache.get("a", source.load))
        stayer = asyncio.ensure_future(cache.get("a", source.load))
        await asyncio.sleep(0)

        leaver.cancel()
        source.gate.set()

        assert await stayer == 1

    async def test_a_failure_is_not_kept(self) -> None:
        cache, source = Cache[str, int](5), Source()
        source.failure = ConnectionError("no")
        with pytest.raises(ConnectionError):
            await cache.get("a", source.load)
        source.failure = None

        assert await cache.get("a", source.load) == 2

    async def test_what_was_being_fetched_when_it_changed_is_not_kept(self) -> None:
        cache, source = Cache[str, int](5), Source()
        source.gate.clear()
        early = asyncio.ensure_future(cache.get("a", source.load))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

        cache.drop(lambda key, _: key == "a")
        source.gate.set()
        await early

        assert await cache.get("a", source.load) == 2
