"""A worker that dies at any step, a provider that loses any answer: one sandbox, and an end.

The cases come from the table of steps, so a new step is a new case.
"""

from datetime import timedelta
from typing import Any

import pytest
from common.contracts.sandbox import LaunchPath, LaunchState
from common.errors import AppError, ErrorCode
from sandbox_manager.errors import ClaimLostError, LostAnswerError
from sandbox_manager.model.record import STALE_LOCK
from sandbox_manager.model.steps import STEPS, Step

World = Any
PDF = "acme/tools/pdf"
DOCX = "acme/tools/docx"
MOMENTS = ("before", "after")
CREATE_CASES = [(step, moment) for step in STEPS[LaunchPath.CREATE] for moment in MOMENTS]
INSTALL_CASES = [(step, moment) for step in STEPS[LaunchPath.INSTALL] for moment in MOMENTS]
LOST = ("find", "create", "after:create", "sign_preview", "delete", "after:delete")
LOST_INSIDE = ("configure", "open_process", "start_process", "install")


async def killed_at(world: World, step: Step, moment: str, ref: str) -> Any:
    """Begin a launch whose worker dies there, then let a second worker look after the claim ran
    out.
    """
    world.probe.at_step = (step, moment)
    launch = await world.start(ref)
    await world.background.idle()
    world.clock.advance(timedelta(seconds=31))
    for _ in range(3):
        await world.takeover.claim_due()
        await world.background.idle()
    return world.launches.stored[launch.id]


class TestCreateKilled:
    @pytest.mark.parametrize(("step", "moment"), CREATE_CASES)
    async def test_a_successor_finishes_with_one_sandbox(
        self, world: World, step: Step, moment: str
    ) -> None:
        world.skills.add(PDF)

        launch = await killed_at(world, step, moment, PDF)

        assert (step, moment) in world.probe.seen
        assert (launch.state, launch.error) == (LaunchState.READY, None)
        assert world.provider.made == len(world.provider.machines) == 1
        assert world.sandbox.provider_id in world.provider.machines
        assert (world.sandbox.state, world.sandbox.lock, world.sandbox.holds) == (
            "active",
            None,
            {},
        )
        assert [entry.seq for entry in launch.entries] == list(range(1, len(launch.entries) + 1))


class TestInstallKilled:
    @pytest.mark.parametrize(("step", "moment"), INSTALL_CASES)
    async def test_a_successor_finishes_in_the_same_sandbox(
        self, world: World, step: Step, moment: str
    ) -> None:
        await world.ready(PDF)
        await world.pool.stop(world.owner)
        skill = world.skills.add(DOCX)

        launch = await killed_at(world, step, moment, DOCX)

        assert (step, moment) in world.probe.seen
        assert (launch.state, launch.error) == (LaunchState.READY, None)
        assert world.provider.made == 1
        assert world.inside.skills["box-1", "acme--tools--docx"] == skill.digest
        assert world.sandbox.holds == {}


class TestLostAnswers:
    @pytest.mark.parametrize("call", LOST)
    async def test_at_the_provider(self, world: World, call: str) -> None:
        world.skills.add(PDF)
        world.provider.faults = [(call, LostAnswerError("lost"))]

        launch = await world.launch(PDF)

        assert launch.state == LaunchState.READY
        assert world.provider.made == 1

    @pytest.mark.parametrize("call", LOST_INSIDE)
    async def test_inside_the_sandbox(self, world: World, call: str) -> None:
        world.skills.add(PDF)
        world.inside.faults = [(call, LostAnswerError("lost"))]

        launch = await world.launch(PDF)

        assert launch.state == LaunchState.READY
        assert world.provider.made == 1

    @pytest.mark.parametrize("call", [*LOST_INSIDE, "sign_preview", "create", "after:create"])
    async def test_a_provider_that_stays_away_is_a_clean_failure(
        self, world: World, call: str
    ) -> None:
        world.skills.add(PDF)
        faults = [(call, LostAnswerError("lost"))] * 30
        world.provider.faults, world.inside.faults = list(faults), list(faults)

        launch = await world.launch(PDF)
        world.provider.faults.clear()
        await world.takeover.go_on()

        assert launch.state in {LaunchState.FAILED, LaunchState.READY}
        left = set(world.provider.machines) - {world.sandbox.provider_id}
        assert left == set()


class TestClaims:
    async def test_a_worker_that_wakes_up_late_cannot_write(self, world: World) -> None:
        world.skills.add(PDF)
        world.probe.at_step = (Step.INSTALL, "before")
        launch = await world.start(PDF)
        late = world.launches.stored[launch.id].right
        await world.background.idle()
        world.clock.advance(timedelta(seconds=31))
        await world.takeover.claim_due()
        await world.background.idle()

        with pytest.raises(ClaimLostError):
            await world.sandboxes.apply(
                world.owner, lambda sandbox: sandbox.progressed(late, world.clock())
            )

    async def test_a_launch_under_a_live_claim_is_left_alone(self, world: World) -> None:
        world.skills.add(PDF)
        world.probe.at_step = (Step.PROVIDE, "before")
        await world.start(PDF)
        await world.background.idle()
        world.clock.advance(timedelta(seconds=29))

        assert await world.takeover.claim_due() == 0

    async def test_a_stopping_process_gives_its_launches_away_at_once(self, world: World) -> None:
        world.skills.add(PDF)
        async with world.background:
            launch = await world.start(PDF)

        assert world.launches.stored[launch.id].is_due(world.clock())

        await world.takeover.claim_due()
        await world.background.idle()

        assert world.launches.stored[launch.id].state == LaunchState.READY


class TestStaleLock:
    async def test_it_frees_itself_after_five_minutes_without_progress(self, world: World) -> None:
        world.skills.add(PDF)
        world.probe.at_step = (Step.CONFIGURE, "before")
        launch = await world.start(PDF)
        await world.background.idle()
        assert world.sandbox.state == "creating"
        world.clock.advance(STALE_LOCK)

        await world.takeover.go_on()

        ended = world.launches.stored[launch.id]
        assert (ended.state, ended.error.code) == (
            LaunchState.FAILED,
            ErrorCode.CREATE_LOCK_STALE,
        )
        assert world.provider.machines == {}
        assert world.sandbox.state == "absent"
        assert (await world.launch(PDF)).state == LaunchState.READY

    async def test_a_successor_that_comes_too_late_fails_the_launch(self, world: World) -> None:
        world.skills.add(PDF)
        world.probe.at_step = (Step.CONFIGURE, "before")
        launch = await world.start(PDF)
        await world.background.idle()
        world.clock.advance(STALE_LOCK)

        await world.takeover.claim_due()
        await world.background.idle()

        assert world.launches.stored[launch.id].error.code == ErrorCode.CREATE_LOCK_STALE
        assert world.provider.machines == {}

    async def test_a_lock_with_progress_is_left_alone(self, world: World) -> None:
        world.skills.add(PDF)
        world.probe.at_step = (Step.CONFIGURE, "before")
        await world.start(PDF)
        await world.background.idle()
        world.clock.advance(STALE_LOCK - timedelta(seconds=1))

        await world.takeover.go_on()

        assert world.sandbox.state == "creating"


class TestDeletion:
    async def test_one_that_lost_its_worker_is_finished(self, world: World) -> None:
        await world.ready()
        await world.sandboxes.apply(world.owner, lambda sandbox: sandbox.deleting(world.clock()))

        await world.takeover.go_on()

        assert world.provider.machines == {}
        assert world.sandbox.state == "absent"

    async def test_a_provider_that_does_not_answer_is_asked_at_the_next_turn(
        self, world: World
    ) -> None:
        await world.ready()
        await world.sandboxes.apply(world.owner, lambda sandbox: sandbox.deleting(world.clock()))
        world.provider.faults = [("find", LostAnswerError("lost"))]

        await world.takeover.go_on()
        await world.takeover.go_on()

        assert world.sandbox.state == "absent"

    async def test_a_launch_waits_for_it_and_creates(self, world: World) -> None:
        await world.ready()
        await world.sandboxes.apply(world.owner, lambda sandbox: sandbox.deleting(world.clock()))
        launch = await world.start(PDF)
        await world.takeover.go_on()
        await world.background.idle()

        assert world.launches.stored[launch.id].path == LaunchPath.CREATE
        assert world.sandbox.state == "active"


def test_errors_of_this_service_are_the_callers_errors() -> None:
    assert issubclass(ClaimLostError, AppError)
