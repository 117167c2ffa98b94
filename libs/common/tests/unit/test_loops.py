"""Loops survive failures and are woken by hints."""

import asyncio
from datetime import timedelta

import pytest
from common.messaging.loops import Hint, every

LONG = timedelta(hours=1)


class TestEvery:
    async def test_a_failing_step_is_logged_and_tried_again(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        hint, turns, done = Hint(), [], asyncio.Event()

        async def step() -> int:
            turns.append(1)
            if len(turns) == 1:
                hint.give()
                raise ValueError("broken")
            done.set()
            return 0

        task = asyncio.ensure_future(every(LONG, step, hint=hint))
        await asyncio.wait_for(done.wait(), 5)
        task.cancel()

        assert len(turns) == 2
        assert "a turn of the loop failed" in caplog.text

    async def test_it_goes_on_at_once_while_there_is_work(self) -> None:
        left, done = [3, 2, 1, 0], asyncio.Event()

        async def step() -> int:
            count = left.pop(0)
            if not left:
                done.set()
            return count

        task = asyncio.ensure_future(every(LONG, step))
        await asyncio.wait_for(done.wait(), 5)
        task.cancel()

        assert left == []
