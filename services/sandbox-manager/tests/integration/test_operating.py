"""What operators do, over the bus, on real sandboxes with the real Hermes inside."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from common.contracts import operating as operator_wire
from common.contracts import sandbox as wire
from common.errors import ErrorCode, ForbiddenError, UnavailableError
from common.ids import new_id
from sandbox_manager.adapters.daytona.toolbox import Toolbox

Platform = Any
BAD, GOOD = "mallory/tools/miner", "acme/tools/pdf"
WHY = {"reason": "it mines", "by": "ann"}


@pytest.fixture(autouse=True)
async def skills(platform: Platform) -> AsyncIterator[None]:
    for ref in (BAD, GOOD):
        name = ref.rpartition("/")[2]
        platform.neighbours.add(ref, {"SKILL.md": f"---\nname: {name}\ndescription: d\n---\n"})
    yield
    for one in (await standing(platform)).restrictions:
        if one.kind in {"digest", "repository"}:
            lift = operator_wire.UnblockSkill(skill=one.what, **WHY)
            await platform.rpc.call(operator_wire.UNBLOCK_SKILL, lift)
        else:
            await platform.rpc.call(operator_wire.RESUME, operator_wire.Resume(**WHY))


async def standing(platform: Platform) -> Any:
    request = operator_wire.ListRestrictions()
    return await platform.rpc.call(operator_wire.LIST_RESTRICTIONS, request)


async def block(platform: Platform, skill: str) -> None:
    request = operator_wire.BlockSkill(skill=skill, **WHY)
    await platform.rpc.call(operator_wire.BLOCK_SKILL, request)


async def acquire(platform: Platform, owner: str, launch: wire.Launch) -> wire.AgentEndpoint:
    request = wire.AcquireAgent(
        owner_id=owner,
        session_id="ses_" + "a" * 20,
        turn_id=new_id("tur"),
        skill_directory=launch.skill.directory,
        digest=launch.skill.digest,
    )
    endpoint: wire.AgentEndpoint = await platform.rpc.call(wire.ACQUIRE_AGENT, request)
    return endpoint


class TestBlock:
    async def test_its_files_are_gone_from_the_disk_before_another_skills_turn(
        self, platform: Platform
    ) -> None:
        owner = platform.owner()
        bad = await platform.launch(owner, BAD)
        good = await platform.launch(owner, GOOD)
        await block(platform, "Mallory/Tools")

        with pytest.raises(ForbiddenError) as refused:
            await acquire(platform, owner, bad)
        endpoint = await acquire(platform, owner, good)

        assert refused.value.code == ErrorCode.SKILL_BLOCKED
        root = endpoint.skill_directory.rpartition("/")[0]
        status, output = await Toolbox(platform.provider).run(
            endpoint.sandbox_id, f"ls {root}; cat ~/.tryskills/manifest.json"
        )
        assert status == 0
        assert good.skill.directory in output
        assert bad.skill.directory not in output
        assert bad.skill.digest not in output

    async def test_a_turn_that_runs_loses_its_lease(self, platform: Platform) -> None:
        owner = platform.owner()
        bad = await platform.launch(owner, BAD)
        endpoint = await acquire(platform, owner, bad)
        await block(platform, bad.skill.digest)
        renewal = wire.RenewUse(owner_id=owner, use_lease_id=endpoint.use_lease_id)

        with pytest.raises(ForbiddenError) as refused:
            await platform.rpc.call(wire.RENEW_USE, renewal)

        assert refused.value.code == ErrorCode.SKILL_BLOCKED
        request = operator_wire.GetActivity(owner_id=owner)
        assert (await platform.rpc.call(operator_wire.GET_ACTIVITY, request)).turns == 0

    async def test_a_launch_under_way_does_not_become_ready(self, platform: Platform) -> None:
        owner = platform.owner()
        begun = await platform.start(owner, BAD)
        await block(platform, "mallory/tools")

        ended = await platform.ended(begun, owner)

        assert ended.state is wire.LaunchState.FAILED
        assert ended.error.code == ErrorCode.SKILL_BLOCKED


class TestDrain:
    async def test_what_began_ends_and_nothing_else_begins(self, platform: Platform) -> None:
        owner = platform.owner()
        begun = await platform.start(owner, GOOD)
        await platform.rpc.call(operator_wire.DRAIN, operator_wire.Drain(**WHY))

        with pytest.raises(UnavailableError) as refused:
            await platform.start(platform.owner(), GOOD)
        ended = await platform.ended(begun, owner)

        assert refused.value.code == ErrorCode.DRAINING
        assert refused.value.retry_at is not None
        assert ended.state is wire.LaunchState.READY
        activity = await platform.rpc.call(
            operator_wire.GET_ACTIVITY, operator_wire.GetActivity(owner_id=owner)
        )
        assert (activity.is_drained, activity.launches, activity.turns) == (True, 0, 0)


class TestLooking:
    async def test_the_list_and_the_balance_are_told(self, platform: Platform) -> None:
        owner = platform.owner()
        launch = await platform.launch(owner, GOOD)

        lines = await platform.rpc.call(
            operator_wire.LIST_SANDBOXES, operator_wire.ListSandboxes(owner_id=owner)
        )
        balance = await platform.rpc.call(operator_wire.GET_BALANCE, operator_wire.GetBalance())

        (line,) = lines.sandboxes
        assert (line.state, line.is_own, line.in_use) == ("active", False, 0)
        assert line.skills == ["acme/tools/pdf"]
        assert launch.state is wire.LaunchState.READY
        assert balance.unexplained == 0
        assert balance.billed >= 1
