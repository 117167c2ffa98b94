"""What nobody asks for any more goes, and nothing else."""

from datetime import timedelta
from typing import Any

import pytest
from skill_resolver.reconcilers import ForgetUnused

World = Any
"""The fixture `world`."""


@pytest.fixture
def forget(world: World) -> ForgetUnused:
    return ForgetUnused(world.known, world.bundles, after=timedelta(days=30), clock=world.clock)


class TestForgetUnused:
    async def test_bundles_go_with_their_last_answer(
        self, world: World, forget: ForgetUnused
    ) -> None:
        old = await world.resolver.resolve("acme/tools/pdf")
        world.clock.advance(timedelta(days=31))
        new = await world.resolver.resolve("acme/tools/docx")

        assert await forget.run_once() == 1
        assert set(world.bundles.by_digest) == {new.digest}
        assert old.digest != new.digest

    async def test_a_bundle_whose_answer_was_never_stored_goes_after_a_day(
        self, world: World, forget: ForgetUnused
    ) -> None:
        await world.bundles.put("sha256:" + "a" * 64, b"left by a crash")
        await world.resolver.resolve("acme/tools/pdf")

        assert await forget.run_once() == 0
        world.clock.advance(timedelta(days=2))
        assert await forget.run_once() == 1
        assert len(world.bundles.by_digest) == 1
