"""A provider in trouble, over the wire: each test is named after the fault."""

import asyncio
from typing import Any

import pytest
from chaos.lossy import Answer, Lossy
from common.contracts import sandbox as wire
from common.errors import ErrorCode
from sandbox_manager.model.balance import Remedy

Platform = Any
PDF = "acme/tools/pdf"
CREATE, LIST = "POST /api/sandbox", "GET /api/sandbox"


@pytest.fixture(autouse=True)
def calm(disturbed: Platform, lossy: Lossy) -> None:
    disturbed.neighbours.add(PDF, {"SKILL.md": "---\nname: pdf\ndescription: d\n---\n"})
    lossy.begin()


async def failed(platform: Platform, owner: str) -> wire.Failure:
    launch = await platform.ended(await platform.start(owner, PDF), owner)
    assert launch.state is wire.LaunchState.FAILED
    error: wire.Failure = launch.error
    return error


async def state(platform: Platform, owner: str) -> str:
    sandbox = await platform.rpc.call(wire.GET_SANDBOX, wire.OwnerRequest(owner_id=owner))
    return str(sandbox.state)


class TestAnswers:
    @pytest.mark.parametrize("status", [500, 502, 503])
    async def test_a_provider_that_answers_500_is_asked_again(
        self, disturbed: Platform, lossy: Lossy, status: int
    ) -> None:
        owner = disturbed.owner()
        lossy.answers = {CREATE: [Answer(status), Answer(status)]}

        await disturbed.launch(owner, PDF)

        assert len(await disturbed.machines(owner)) == 1

    async def test_a_provider_that_keeps_answering_500_leaves_nothing(
        self, disturbed: Platform, lossy: Lossy
    ) -> None:
        owner = disturbed.owner()
        lossy.answers = {CREATE: [Answer(500)] * 30}

        error = await failed(disturbed, owner)

        assert error.code is ErrorCode.SANDBOX_UNAVAILABLE
        assert (await disturbed.machines(owner), await state(disturbed, owner)) == ([], "absent")
        lossy.begin()
        assert (await disturbed.launch(owner, PDF)).path == "create"

    async def test_a_provider_that_limits_the_rate_is_asked_when_it_says(
        self, disturbed: Platform, lossy: Lossy
    ) -> None:
        owner = disturbed.owner()
        lossy.answers = {CREATE: [Answer(429, headers={"Retry-After-sandbox-create": "1"})]}

        launch = await disturbed.launch(owner, PDF)

        request = wire.GetLaunchEntries(owner_id=owner, launch_id=launch.id)
        entries = (await disturbed.rpc.call(wire.GET_LAUNCH_ENTRIES, request)).entries
        assert any("slow down; going on in 1 s" in getattr(one, "text", "") for one in entries)

    @pytest.mark.parametrize(
        ("answer", "code"),
        [
            (Answer(400, {"message": "Total CPU limit exceeded. Maximum allowed: 10."}),
             ErrorCode.QUOTA_EXCEEDED),
            (Answer(403, {"message": "Organization is suspended: no payment"}),
             ErrorCode.ACCOUNT_REFUSED),
            (Answer(401, {"message": "Invalid credentials"}), ErrorCode.ACCOUNT_REFUSED),
        ],
    )  # fmt: skip
    async def test_a_provider_that_refuses_the_account_is_no_outage(
        self, disturbed: Platform, lossy: Lossy, answer: Answer, code: ErrorCode
    ) -> None:
        owner = disturbed.owner()
        lossy.answers = {CREATE: [answer]}

        error = await failed(disturbed, owner)

        assert error.code is code
        assert len([call for call in lossy.seen if call.kind == CREATE]) == 1
        assert await state(disturbed, owner) == "absent"


class TestLists:
    async def test_a_provider_that_lists_late_proves_nothing(
        self, disturbed: Platform, lossy: Lossy
    ) -> None:
        owner = disturbed.owner()
        await disturbed.launch(owner, PDF)
        lossy.answers = {LIST: [Answer(200, {"items": [], "nextCursor": None})]}

        survey = await disturbed.parts.surveying.run()

        assert [one for one in survey.findings if one.owner_id == owner] == []
        assert survey.balance.unexplained == 0
        assert await state(disturbed, owner) == "active"

    async def test_a_provider_that_lists_the_dead_raises_nobody(
        self, disturbed: Platform, lossy: Lossy
    ) -> None:
        owner = disturbed.owner()
        await disturbed.launch(owner, PDF)
        late = await lossy.said("/api/sandbox", disturbed.key)
        await disturbed.rpc.call(wire.DELETE_SANDBOX, wire.OwnerRequest(owner_id=owner))
        while await state(disturbed, owner) != "absent":
            await asyncio.sleep(0.05)
        lossy.answers = {LIST: [Answer(200, late)]}

        survey = await disturbed.parts.surveying.run()

        assert [one for one in survey.findings if one.owner_id == owner] == []
        assert survey.balance.unexplained == 0

    async def test_a_provider_that_answers_500_to_a_list_ends_no_record(
        self, disturbed: Platform, lossy: Lossy
    ) -> None:
        owner = disturbed.owner()
        await disturbed.launch(owner, PDF)
        lossy.answers = {LIST: [Answer(500)], "GET /api/sandbox/{id}": [Answer(500)] * 3}

        with pytest.raises(Exception, match="the sandbox provider"):
            await disturbed.parts.surveying.run()

        assert await state(disturbed, owner) == "active"


class TestBehindOurBack:
    async def test_a_sandbox_deleted_behind_our_back_is_noted(self, disturbed: Platform) -> None:
        owner = disturbed.owner()
        await disturbed.launch(owner, PDF)
        [machine] = await disturbed.machines(owner)
        await disturbed.provider.delete(machine)
        await disturbed.gone(owner)

        survey = await disturbed.parts.surveying.run()
        found = [one.remedy for one in survey.findings if one.owner_id == owner]
        [_ async for _ in disturbed.parts.reconciliation.act(survey)]

        assert found == [Remedy.NOTE_GONE]
        assert await state(disturbed, owner) == "absent"
