"""What an operator blocks or drains holds at once, for every way in, and is written down."""

from datetime import timedelta
from typing import Any

import pytest
from common.contracts import operating as wire
from common.contracts.sandbox import AcquireAgent, LaunchPath
from common.errors import (
    AppError,
    ErrorCode,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)
from common.ids import new_id
from pydantic import ValidationError
from sandbox_manager.errors import SandboxInUseError, StoreUnavailableError
from sandbox_manager.model.launch import Launch
from sandbox_manager.model.restriction import Restriction, SkillTarget
from sandbox_manager.model.steps import STEPS, Step

World = Any
PDF = "acme/tools/pdf"
DOCX = "acme/tools/docx"
OTHER = "umbrella/tools/zip"
WHY = {"reason": "it mines", "by": "ann"}


async def block(world: World, skill: str) -> Any:
    return await world.operating.block(wire.BlockSkill(skill=skill, **WHY))


async def drain(world: World, owner_id: str | None = None) -> Any:
    return await world.operating.drain(wire.Drain(owner_id=owner_id, **WHY))


def turn(world: World, launch: Launch, *, goes_on: bool = False) -> Any:
    request = AcquireAgent(
        owner_id=launch.owner_id,
        session_id="ses_1",
        turn_id=new_id("tur"),
        skill_directory=launch.skill.directory,
        digest=launch.skill.digest,
        goes_on=goes_on,
    )
    return world.lending.acquire(request)


class TestBlockedLaunch:
    @pytest.mark.parametrize(
        "name",
        ["acme/tools", "ACME/Tools", "https://github.com/acme/tools", "github.com/acme/tools.git"],
    )
    async def test_nothing_of_a_blocked_repository_is_launched(
        self, world: World, name: str
    ) -> None:
        world.skills.add(PDF)
        await block(world, name)

        with pytest.raises(ForbiddenError, match="it mines") as error:
            await world.start(PDF)

        assert error.value.code == ErrorCode.SKILL_BLOCKED
        assert world.launches.stored == {}

    async def test_a_blocked_digest_is_not_launched_under_any_name(self, world: World) -> None:
        skill = world.skills.add(PDF)
        await block(world, skill.digest)

        for more in ({}, {"digest": skill.digest}, {"report_ack": skill.digest}):
            with pytest.raises(ForbiddenError):
                await world.start(PDF, **more)

    async def test_neither_an_acknowledgement_nor_an_allowance_lets_it_pass(
        self, world: World
    ) -> None:
        skill = world.skills.add(PDF)
        await world.acknowledgements.add(world.owner, skill.digest, world.clock())
        world.gate._allowed = frozenset({skill.digest})
        await block(world, skill.digest)

        with pytest.raises(ForbiddenError, match="it mines"):
            await world.start(PDF, report_ack=skill.digest)

    async def test_a_launch_under_way_fails_and_leaves_nothing(self, world: World) -> None:
        world.skills.add(PDF)
        begun = await world.start(PDF)
        await block(world, "acme/tools")
        await world.background.idle()

        launch = world.launches.stored[begun.id]
        assert launch.state == "failed"
        assert launch.error.code == ErrorCode.SKILL_BLOCKED
        assert world.provider.machines == {}

    @pytest.mark.parametrize("step", STEPS[LaunchPath.CREATE])
    async def test_nor_does_another_worker_finish_it(self, world: World, step: Step) -> None:
        """The worker dies before that step, the skill is blocked, another worker takes over."""
        world.skills.add(PDF)
        world.probe.at_step = (step, "before")
        begun = await world.start(PDF)
        await world.background.idle()
        await block(world, "acme/tools")
        world.clock.advance(timedelta(seconds=31))

        await world.takeover.claim_due()
        await world.background.idle()

        launch = world.launches.stored[begun.id]
        assert (launch.state, launch.error.code) == ("failed", ErrorCode.SKILL_BLOCKED)
        assert launch.receipt is None
        with pytest.raises(AppError):
            await turn(world, launch)

    async def test_an_instant_launch_is_refused_too(self, world: World) -> None:
        await world.ready(PDF)
        await block(world, "acme/tools")

        with pytest.raises(ForbiddenError):
            await world.start(PDF)

    async def test_other_repositories_go_on(self, world: World) -> None:
        world.skills.add(OTHER)
        await block(world, "acme/tools")

        assert (await world.launch(OTHER)).state == "ready"

    async def test_without_an_answer_of_the_store_nothing_passes(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def silent(keys: Any) -> Any:
            message = "the store does not answer"
            raise StoreUnavailableError(message)

        world.skills.add(PDF)
        monkeypatch.setattr(world.restrictions, "standing", silent)

        with pytest.raises(StoreUnavailableError):
            await world.start(PDF)

    async def test_unblocked_it_runs_again(self, world: World) -> None:
        world.skills.add(PDF)
        await block(world, "acme/tools")
        await world.operating.unblock(wire.UnblockSkill(skill="Acme/Tools", **WHY))

        assert (await world.launch(PDF)).state == "ready"


class TestBlockedTurn:
    async def test_a_skill_that_was_installed_before_is_not_used_again(self, world: World) -> None:
        launch = await world.ready(PDF)
        await block(world, launch.skill.digest)

        with pytest.raises(ForbiddenError) as error:
            await turn(world, launch)

        assert error.value.code == ErrorCode.SKILL_BLOCKED
        assert world.sandbox.leases == ()

    async def test_nor_by_an_agent_that_is_at_hand(self, world: World) -> None:
        launch = await world.ready(PDF)
        lent = await turn(world, launch)
        await world.lending.release(world.owner, lent.lease.id)
        await block(world, launch.skill.digest)

        with pytest.raises(ForbiddenError) as error:
            await turn(world, launch)

        assert error.value.code == ErrorCode.SKILL_BLOCKED
        assert world.sandbox.leases == ()

    async def test_its_files_leave_the_sandbox_before_a_turn_of_another_skill(
        self, world: World
    ) -> None:
        blocked, other = await world.ready(PDF), await world.ready(OTHER)
        await block(world, "acme/tools")

        lent = await turn(world, other)

        assert lent.skill_directory.endswith(other.skill.directory)
        assert [one.skill.digest for one in world.sandbox.skills.values()] == [other.skill.digest]
        assert ("box-1", blocked.skill.directory) not in world.inside.skills

    async def test_and_before_a_raw_call_of_the_agent(self, world: World) -> None:
        blocked = await world.ready(PDF)
        await block(world, "acme/tools")

        await world.lending.acquire_raw(world.owner)

        assert world.sandbox.skills == {}
        assert ("box-1", blocked.skill.directory) not in world.inside.skills

    async def test_while_a_turn_runs_no_other_begins_beside_the_blocked_files(
        self, world: World
    ) -> None:
        await world.ready(PDF)
        other = await world.ready(OTHER)
        await turn(world, other)
        await block(world, "acme/tools")

        with pytest.raises(SandboxInUseError):
            await turn(world, other)

    async def test_a_running_turn_of_it_is_not_renewed(self, world: World) -> None:
        launch = await world.ready(PDF)
        lent = await turn(world, launch)
        await block(world, launch.skill.digest)

        with pytest.raises(ForbiddenError):
            await world.lending.renew(world.owner, lent.lease.id)

        assert world.sandbox.leases == ()

    async def test_a_running_turn_of_another_skill_is_renewed(self, world: World) -> None:
        await world.ready(PDF)
        other = await world.ready(OTHER)
        lent = await turn(world, other)
        await block(world, "acme/tools")

        assert await world.lending.renew(world.owner, lent.lease.id)


class TestDrain:
    async def test_nobody_begins_anything_on_a_drained_platform(self, world: World) -> None:
        launch = await world.ready(PDF)
        await drain(world)

        for begin in (
            world.start(PDF),
            turn(world, launch),
            world.lending.acquire_raw(world.owner),
        ):
            with pytest.raises(UnavailableError, match="it mines") as error:
                await begin
            assert error.value.code == ErrorCode.DRAINING
            assert error.value.retry_at is not None

    async def test_what_runs_comes_to_its_end(self, world: World) -> None:
        launch = await world.ready(PDF)
        lent = await turn(world, launch)
        world.skills.add(OTHER)
        begun = await world.start(OTHER)
        await drain(world)

        before = await world.operating.activity(None)
        await world.background.idle()
        await world.lending.renew(world.owner, lent.lease.id)
        await world.lending.release(world.owner, lent.lease.id)
        after = await world.operating.activity(None)

        assert (before.is_drained, before.launches, before.turns) == (True, 1, 1)
        assert (after.is_drained, after.launches, after.turns) == (True, 0, 0)
        assert world.launches.stored[begun.id].state == "ready"

    async def test_a_turn_that_another_process_goes_on_with_is_lent_the_agent_again(
        self, world: World
    ) -> None:
        launch = await world.ready(PDF)
        await drain(world)

        assert (await turn(world, launch, goes_on=True)).lease

    async def test_but_not_when_its_skill_is_blocked(self, world: World) -> None:
        launch = await world.ready(PDF)
        await block(world, "acme/tools")

        with pytest.raises(ForbiddenError):
            await turn(world, launch, goes_on=True)

    async def test_one_owner_is_drained_and_the_others_are_not(self, world: World) -> None:
        world.skills.add(PDF)
        await drain(world, world.owner)

        with pytest.raises(UnavailableError):
            await world.start(PDF)
        assert await world.start(PDF, owner_id="own_" + "b" * 20)
        assert (await world.operating.activity(world.owner)).is_drained
        assert not (await world.operating.activity(None)).is_drained

    async def test_resumed_it_goes_on(self, world: World) -> None:
        world.skills.add(PDF)
        await drain(world)
        await world.operating.resume(wire.Resume(**WHY))

        assert (await world.launch(PDF)).state == "ready"

    async def test_what_is_both_is_called_blocked(self, world: World) -> None:
        world.skills.add(PDF)
        await drain(world)
        await block(world, "acme/tools")

        with pytest.raises(ForbiddenError):
            await world.start(PDF)


class TestAudit:
    async def test_every_deed_is_written_down_newest_first(self, world: World) -> None:
        await block(world, "acme/tools")
        await world.operating.unblock(wire.UnblockSkill(skill="acme/tools", **WHY))
        await drain(world)
        await world.operating.resume(wire.Resume(reason="done", by="bob"))

        deeds = await world.operating.audit(10)

        assert [(deed.action, deed.what, deed.by) for deed in deeds] == [
            ("resume", "everybody", "bob"),
            ("drain", "everybody", "ann"),
            ("unblock", "acme/tools", "ann"),
            ("block", "acme/tools", "ann"),
        ]

    async def test_a_deed_is_written_before_it_takes_effect(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def full(deed: Any) -> None:
            message = "the store does not answer"
            raise StoreUnavailableError(message)

        monkeypatch.setattr(world.deeds, "add", full)

        with pytest.raises(StoreUnavailableError):
            await block(world, "acme/tools")

        assert world.restrictions.stored == {}

    async def test_lifting_what_does_not_stand_is_said(self, world: World) -> None:
        for lift in (
            world.operating.unblock(wire.UnblockSkill(skill="acme/tools", **WHY)),
            world.operating.resume(wire.Resume(**WHY)),
        ):
            with pytest.raises(NotFoundError):
                await lift

        assert world.deeds.stored == []

    def test_a_reason_and_a_name_are_asked_for(self) -> None:
        for fields in ({"reason": " ", "by": "ann"}, {"reason": "it mines", "by": ""}):
            with pytest.raises(ValidationError):
                wire.BlockSkill(skill="acme/tools", **fields)


class TestTarget:
    @pytest.mark.parametrize(
        "name", ["pdf", "a/b/c", "sha256:12", "a b/c", "/", "https://x.y/z/q"]
    )
    def test_what_is_neither_digest_nor_repository_is_refused(self, name: str) -> None:
        with pytest.raises(InvalidError, match="neither"):
            SkillTarget.named(name)

    def test_a_digest_may_be_typed_in_capitals(self) -> None:
        assert SkillTarget.named("SHA256:" + "A" * 64).what == "sha256:" + "a" * 64


class TestLooking:
    async def test_sandboxes_are_listed_by_owner_page_by_page(self, world: World) -> None:
        owners = [f"own_{letter * 20}" for letter in "cab"]
        for owner in owners:
            world.owner = owner
            await world.ready(PDF)

        first, after = await world.operating.list(wire.ListSandboxes(limit=2))
        second, end = await world.operating.list(wire.ListSandboxes(limit=2, after=after))

        assert [one.owner_id for one in (*first, *second)] == sorted(owners)
        assert end is None

    async def test_those_with_a_skill_are_found(self, world: World) -> None:
        launch = await world.ready(PDF)

        for name, count in ((launch.skill.digest, 1), ("Acme/Tools", 1), ("acme/other", 0)):
            found, _ = await world.operating.list(wire.ListSandboxes(skill=name))
            assert len(found) == count

    async def test_a_restriction_is_told_with_its_reason(self, world: World) -> None:
        await block(world, "acme/tools")

        (told,) = await world.operating.standing()

        assert isinstance(told, Restriction)
        assert (told.kind, told.what, told.reason, told.by) == (
            "repository",
            "acme/tools",
            "it mines",
            "ann",
        )
