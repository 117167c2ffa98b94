"""What is asked about launches: repeated, refused, cancelled, read."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from common.contracts.sandbox import LaunchState
from common.contracts.skills import Verdict
from common.errors import AppError, ErrorCode, NotFoundError
from sandbox_manager.errors import (
    QuotaExceededError,
)

World = Any
"""The fixture `world`: every use case, its fakes, its clock."""

PDF = "acme/tools/pdf"
DOCX = "acme/tools/docx"


def kinds(launch: Any) -> list[str]:
    return [entry.type for entry in launch.entries]


class TestCollapse:
    async def test_a_repeated_request_is_the_same_launch(self, world: World) -> None:
        world.skills.add(PDF)

        first = await world.launch(PDF, idempotency_key="k")
        second = await world.launch(PDF, idempotency_key="k")

        assert first.id == second.id

    async def test_a_key_used_for_something_else_is_refused(self, world: World) -> None:
        await world.ready(DOCX)
        world.skills.add(PDF)
        await world.launch(PDF, idempotency_key="k")

        with pytest.raises(AppError) as error:
            await world.start(DOCX, idempotency_key="k")

        assert error.value.code == ErrorCode.IDEMPOTENCY_MISMATCH

    async def test_a_key_that_joined_a_running_launch_finds_it_later(self, world: World) -> None:
        world.skills.add(PDF)
        first = await world.start(PDF)
        joined = await world.start(PDF, idempotency_key="k")
        await world.background.idle()

        again = await world.start(PDF, idempotency_key="k")

        assert first.id == joined.id == again.id

    async def test_too_many_at_once_are_refused_with_the_limit(self, world: World) -> None:
        world.provider.answers = asyncio.Event()
        for name in "abcd":
            world.skills.add(f"acme/tools/{name}")
        for name in "abc":
            await world.start(f"acme/tools/{name}")

        with pytest.raises(QuotaExceededError, match="at most 3 launches") as error:
            await world.start("acme/tools/d")

        assert error.value.retry_at is not None
        world.provider.answers.set()
        await world.background.idle()


class TestDigest:
    async def test_what_was_previewed_runs_although_the_repository_moved_on(
        self, world: World
    ) -> None:
        previewed = world.skills.add(PDF, "as previewed")
        world.skills.add(PDF, "newer")

        launch = await world.launch(PDF, digest=previewed.digest)

        assert launch.skill.digest == previewed.digest
        assert world.inside.skills["box-1", "acme--tools--pdf"] == previewed.digest

    async def test_the_digest_of_another_skill_is_refused(self, world: World) -> None:
        world.skills.add(PDF)
        other = world.skills.add(DOCX)

        with pytest.raises(AppError) as error:
            await world.start(PDF, digest=other.digest)

        assert error.value.code == ErrorCode.INVALID_REQUEST


class TestGate:
    async def test_findings_must_be_accepted_first(self, world: World) -> None:
        skill = world.skills.add(PDF, verdict=Verdict.CONFIRM)

        with pytest.raises(AppError) as error:
            await world.start(PDF)

        assert error.value.code == ErrorCode.REPORT_NOT_ACKNOWLEDGED
        assert error.value.extra["digest"] == skill.digest
        assert error.value.extra["findings"]
        assert world.launches.stored == {}

    async def test_an_acknowledgement_is_kept_for_that_digest(self, world: World) -> None:
        skill = world.skills.add(PDF, verdict=Verdict.CONFIRM)

        assert (await world.launch(PDF, report_ack=skill.digest)).state == LaunchState.READY
        assert (await world.launch(PDF)).state == LaunchState.READY
        world.skills.add(PDF, "changed", verdict=Verdict.CONFIRM)
        with pytest.raises(AppError):
            await world.start(PDF)

    async def test_an_acknowledgement_of_another_digest_opens_nothing(self, world: World) -> None:
        world.skills.add(PDF, verdict=Verdict.CONFIRM)
        other = world.skills.add(DOCX)

        with pytest.raises(AppError):
            await world.start(PDF, report_ack=other.digest)

    async def test_a_blocked_skill_never_runs(self, world: World) -> None:
        skill = world.skills.add(PDF, verdict=Verdict.BLOCK)

        with pytest.raises(AppError) as error:
            await world.start(PDF, report_ack=skill.digest)

        assert error.value.code == ErrorCode.SKILL_BLOCKED


class TestCancel:
    async def test_a_cancelled_create_leaves_nothing(self, world: World) -> None:
        world.skills.add(PDF)
        launch = await world.start(PDF)

        await world.launching.cancel(world.owner, launch.id)
        await world.background.idle()

        assert world.launches.stored[launch.id].state == LaunchState.CANCELLED
        assert world.provider.machines == {}
        assert world.sandbox.state == "absent"

    async def test_an_ended_launch_stays_as_it_is(self, world: World) -> None:
        launch = await world.ready()

        again = await world.launching.cancel(world.owner, launch.id)

        assert again.state == LaunchState.READY


class TestReading:
    async def test_another_owner_sees_nothing(self, world: World) -> None:
        launch = await world.ready()

        with pytest.raises(NotFoundError):
            await world.launching.get("own_" + "z" * 20, launch.id)

    async def test_entries_are_numbered_without_gaps_and_all_told(self, world: World) -> None:
        launch = await world.ready()

        assert [entry.seq for entry in launch.entries] == list(range(1, len(launch.entries) + 1))
        told = {entry.seq for entry in world.journal.told[launch.id]}
        assert told == {entry.seq for entry in launch.entries}

    async def test_a_receipt_says_what_ran(self, world: World) -> None:
        launch = await world.ready()

        receipt = await world.launching.receipt(world.owner, launch.id)

        assert (receipt.sandbox_id, receipt.image) == ("box-1", "hermes-snapshot")
        assert receipt.skill.digest == launch.skill.digest

    async def test_trials_are_newest_first_and_at_most_fifty(self, world: World) -> None:
        await world.ready()
        for _ in range(60):
            world.clock.advance(timedelta(seconds=1))
            last = await world.launch(PDF)

        trials = await world.launching.trials(world.owner)

        assert len(trials) == 50
        assert trials[0].id == last.id

    async def test_each_launch_tells_its_beginning_its_end_and_the_trial(
        self, world: World
    ) -> None:
        await world.ready()

        assert [event.subject for event in world.launches.events] == [
            "evt.launch.requested.v1",
            "evt.launch.ended.v1",
            "evt.trial.recorded.v1",
        ]
        assert [event.subject for event in world.sandboxes.events] == ["evt.sandbox.created.v1"]
