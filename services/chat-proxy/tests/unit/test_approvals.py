"""Approvals over fakes: decided once, delivered at most once, in the agent's order."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from chat_proxy.model.agent import AgentStatus, ApprovalAsk, Finished, ToolEnd, ToolStart
from chat_proxy.model.turn import CLAIM_TTL
from common.contracts.chat import AnswerApproval, ApprovalChoice, ApprovalState
from common.errors import ConflictError, ErrorCode, GoneError, InvalidError

OWNER = "own_" + "1" * 20
C = ApprovalChoice
ALL = ("once", "session", "always", "deny")
RM = ApprovalAsk("rm -rf x", "recursive delete", ("recursive delete",), ALL)
RESET = ApprovalAsk("git reset --hard", "loses work", ("git reset --hard",), ALL)
DONE = Finished(AgentStatus.COMPLETE, "done")


async def asked(world: Any, *requests: ApprovalAsk) -> tuple[Any, Any, list[Any]]:
    session = await world.session()
    runner = await world.say(session)
    world.agents.last.tell(ToolStart("c1", "terminal"), *requests)
    await world.until(lambda: world.live.kinds.count("approval.requested") == len(requests))
    return session, runner, list(world.approvals.by_id.values())


async def answer(process: Any, approval: Any, choice: ApprovalChoice) -> Any:
    return await process.approvals.answer(
        AnswerApproval(
            owner_id=OWNER,
            session_id=approval.session_id,
            approval_id=approval.id,
            choice=choice,
        )
    )


class TestEndOfTheTurn:
    async def test_what_was_decided_at_that_moment_ends_too(self, world: Any) -> None:
        _, runner, [approval] = await asked(world, RM)
        world.approvals.by_id[approval.id] = approval.decided(C.ONCE, at=world.clock())

        world.agents.last.tell(DONE)
        async with asyncio.timeout(5):
            await runner.done.wait()

        assert world.approvals.by_id[approval.id].state is ApprovalState.EXPIRED
        assert world.live.kinds.count("approval.resolved") == 1
        assert world.agents.last.answers == []


class TestAnswer:
    @pytest.mark.parametrize(
        ("choice", "told"),
        [(C.ONCE, [True]), (C.SESSION, [True]), (C.ALWAYS, [True]), (C.DENY, [False])],
    )
    async def test_the_agent_is_only_told_once_or_deny(
        self, world: Any, choice: ApprovalChoice, told: list[bool]
    ) -> None:
        _, _, [approval] = await asked(world, RM)

        answered = await answer(world.me, approval, choice)

        assert (answered.state, answered.choice) == (ApprovalState.DELIVERED, choice)
        assert world.agents.last.answers == told
        assert world.live.kinds[-1] == "approval.resolved"

    async def test_the_first_answer_wins(self, world: Any) -> None:
        _, _, [approval] = await asked(world, RM)
        await answer(world.me, approval, C.ONCE)

        with pytest.raises(ConflictError) as refused:
            await answer(world.me, approval, C.DENY)

        assert refused.value.code is ErrorCode.APPROVAL_DECIDED
        assert refused.value.extra["approval"]["choice"] == "once"
        assert world.agents.last.answers == [True]

    async def test_a_choice_that_was_not_offered_is_refused(self, world: Any) -> None:
        once_only = replace(RM, choices=("once", "deny"))
        _, _, [approval] = await asked(world, once_only)

        with pytest.raises(InvalidError):
            await answer(world.me, approval, C.ALWAYS)

    async def test_the_agents_refusal_is_passed_on(self, world: Any) -> None:
        _, _, [approval] = await asked(world, RM)
        world.agents.last.refusal = "the command changed meanwhile"

        answered = await answer(world.me, approval, C.ONCE)

        assert answered.state is ApprovalState.REFUSED
        assert answered.detail == "the command changed meanwhile"

    async def test_an_agent_that_no_longer_waits_is_said(self, world: Any) -> None:
        _, _, [approval] = await asked(world, RM)
        world.agents.last.waits = False

        assert (await answer(world.me, approval, C.ONCE)).state is ApprovalState.REFUSED

    async def test_they_are_delivered_in_the_agents_order(self, world: Any) -> None:
        _, _, [first, second] = await asked(world, RM, RESET)

        early = await answer(world.me, second, C.ONCE)
        assert early.state is ApprovalState.PENDING
        assert world.agents.last.answers == []

        await answer(world.me, first, C.DENY)

        assert world.agents.last.answers == [False, True]

    async def test_events_tell_ids_and_no_command(self, world: Any) -> None:
        _, _, [approval] = await asked(world, RM)
        await answer(world.me, approval, C.ONCE)

        subjects = [event.subject for event in world.approvals.emitted]
        assert subjects == ["evt.approval.requested.v1", "evt.approval.resolved.v1"]
        assert "rm -rf" not in str(world.approvals.emitted)

    async def test_what_is_on_its_way_is_told_before_the_end(self, world: Any) -> None:
        _, runner, [approval] = await asked(world, RM)
        arrives = asyncio.Event()
        agent = world.agents.last
        taken = agent.answer

        async def slow(*, allow: bool) -> bool:
            world.agents.opened[0].tell(DONE)
            await arrives.wait()
            return bool(await taken(allow=allow))

        agent.answer = slow
        answering = asyncio.ensure_future(answer(world.me, approval, C.ONCE))
        await world.until(lambda: world.approvals.by_id[approval.id].state == "delivering")
        for _ in range(50):
            await asyncio.sleep(0)
        arrives.set()
        await answering
        await runner.done.wait()

        assert world.live.kinds[-1] == "turn.ended"
        assert world.live.kinds.count("approval.resolved") == 1


class TestStoreDown:
    async def test_nothing_is_sent_that_was_not_stored_before(self, world: Any) -> None:
        _, runner, [approval] = await asked(world, RM)
        world.approvals.refuses = {ApprovalState.DELIVERING}

        answered = await answer(world.me, approval, C.ONCE)
        assert (answered.state, answered.choice) == (ApprovalState.PENDING, C.ONCE)
        assert world.agents.last.answers == []

        world.approvals.refuses = set()
        await runner.tick()
        assert world.agents.last.answers == [True]

    async def test_what_was_stored_as_on_its_way_without_an_answer_is_still_sent(
        self, world: Any
    ) -> None:
        _, runner, [approval] = await asked(world, RM)
        world.approvals.loses_answers = {ApprovalState.DELIVERING}

        await answer(world.me, approval, C.ONCE)
        assert world.agents.last.answers == []
        assert world.approvals.by_id[approval.id].state is ApprovalState.DELIVERING

        world.approvals.loses_answers = set()
        await runner.tick()
        assert world.agents.last.answers == [True]
        assert world.approvals.by_id[approval.id].state is ApprovalState.DELIVERED

    async def test_nothing_is_sent_once_the_claim_has_run_out(self, world: Any) -> None:
        _, _, [approval] = await asked(world, RM)
        world.clock.advance(CLAIM_TTL)

        await answer(world.me, approval, C.ONCE)

        assert world.agents.last.answers == []


class TestScope:
    async def test_the_same_danger_is_answered_at_once(self, world: Any) -> None:
        _, _, [first] = await asked(world, RM)
        await answer(world.me, first, C.SESSION)

        world.agents.last.tell(replace(RM, command="rm -rf y"))
        await world.until(lambda: len(world.agents.last.answers) == 2)

        second = list(world.approvals.by_id.values())[1]
        await world.until(lambda: world.approvals.by_id[second.id].is_ended)
        assert world.approvals.by_id[second.id].choice is C.SESSION
        assert world.live.kinds.count("approval.resolved") == 2


class TestExpiry:
    async def test_nobody_answers_and_the_agent_goes_on(self, world: Any) -> None:
        _, runner, [approval] = await asked(world, RM)
        world.clock.advance(world.limits.approval)

        await runner.tick()

        assert world.approvals.by_id[approval.id].state is ApprovalState.EXPIRED
        assert world.agents.last.answers == [False]
        with pytest.raises(GoneError) as refused:
            await answer(world.me, approval, C.ONCE)
        assert refused.value.code is ErrorCode.APPROVAL_EXPIRED

    async def test_the_end_of_the_turn_ends_the_wait(self, world: Any) -> None:
        _, runner, [approval] = await asked(world, RM)

        world.agents.last.tell(DONE)
        await runner.done.wait()

        assert world.approvals.by_id[approval.id].state is ApprovalState.EXPIRED
        assert world.agents.opened[0].answers == []


def resumed(world: Any) -> Any:
    """The same agent as the next process finds it."""
    again = replace(world.agents.last, answers=[], _batches=asyncio.Queue())
    again.standing = replace(again.standing, running=True, prompt="go")
    world.agents.prepared = [again]
    return again


class TestTakenOver:
    async def test_what_nobody_saw_is_refused_and_said(self, world: Any) -> None:
        await world.say(await world.session())
        await world.me.runners.hand_over()
        world.agents.last.tell(RM, RESET)
        again, other = resumed(world), world.process("prc_other")

        await other.takeover.run_once()
        await world.until(lambda: world.live.kinds.count("notice") == 3)

        assert again.answers == [False, False, False]
        assert [one.fields["code"] for one in world.live.entries if one.type == "notice"] == [
            "reattached",
            "approval_missed",
            "approval_missed",
        ]
        await other.runners.hand_over()

    async def test_one_that_is_open_is_left_to_the_person(self, world: Any) -> None:
        _, _, [approval] = await asked(world, RM)
        await world.me.runners.hand_over()
        again, other = resumed(world), world.process("prc_other")

        await other.takeover.run_once()
        await world.until(lambda: "notice" in world.live.kinds)

        assert again.answers == []
        assert (await answer(other, approval, C.ONCE)).state is ApprovalState.DELIVERED
        await other.runners.hand_over()

    async def test_what_was_stored_and_not_told_is_told(self, world: Any) -> None:
        _, _, [approval] = await asked(world, RM)
        await answer(world.me, approval, C.DENY)
        await world.me.runners.hand_over()
        world.live.entries = [e for e in world.live.entries if "approval" not in e.type]
        for segments in world.answers.by_turn.values():
            segments[:] = [one for one in segments if "approval" not in one.type]
        resumed(world)
        other = world.process("prc_other")

        await other.takeover.run_once()
        await world.until(lambda: "approval.resolved" in world.live.kinds)

        told = [one for one in world.live.entries if "approval" in one.type]
        assert [one.type for one in told] == ["approval.requested", "approval.resolved"]
        assert told[1].fields["choice"] is C.DENY
        await other.runners.hand_over()


class TestUncertain:
    async def test_a_lost_answer_is_unknown_and_never_sent_again(self, world: Any) -> None:
        _, _, [approval] = await asked(world, RM)
        world.agents.last.loses_answers = True

        answered = await answer(world.me, approval, C.ONCE)

        assert answered.state is ApprovalState.UNKNOWN
        assert world.agents.last.answers == [True]

    async def test_it_holds_up_the_next_until_its_command_has_ended(self, world: Any) -> None:
        _, _, [first] = await asked(world, RM)
        world.agents.last.loses_answers = True
        await answer(world.me, first, C.ONCE)
        world.agents.last.loses_answers = False
        world.agents.last.tell(RESET)
        await world.until(lambda: len(world.approvals.by_id) == 2)
        second = list(world.approvals.by_id.values())[1]

        held = await answer(world.me, second, C.ONCE)
        assert held.state is ApprovalState.PENDING

        world.agents.last.tell(ToolEnd("c1", "terminal"))
        await world.until(lambda: world.approvals.by_id[second.id].is_ended)
        assert world.agents.last.answers == [True, True]

    async def test_the_next_process_does_not_send_what_was_on_its_way(self, world: Any) -> None:
        _, _, [approval] = await asked(world, RM)
        await world.me.runners.hand_over()
        decided = approval.decided(C.ONCE, at=world.clock()).delivering()
        world.approvals.by_id[approval.id] = decided
        again = replace(world.agents.last, answers=[], _batches=asyncio.Queue())
        again.standing = replace(again.standing, running=True, prompt="go")
        world.agents.prepared = [again]
        other = world.process("prc_other")

        await other.takeover.run_once()
        await world.until(lambda: world.live.kinds.count("approval.resolved") == 1)

        assert world.approvals.by_id[approval.id].state is ApprovalState.UNKNOWN
        assert again.answers == []
        await other.runners.hand_over()

    async def test_what_was_decided_while_nobody_ran_the_turn_is_delivered(
        self, world: Any
    ) -> None:
        _, _, [approval] = await asked(world, RM)
        await world.me.runners.hand_over()
        other = world.process("prc_other")
        decided = await answer(other, approval, C.ONCE)
        assert (decided.state, decided.choice) == (ApprovalState.PENDING, C.ONCE)
        again = replace(world.agents.last, answers=[], _batches=asyncio.Queue())
        again.standing = replace(again.standing, running=True, prompt="go")
        world.agents.prepared = [again]
        world.clock.advance(timedelta(seconds=1))

        await other.takeover.run_once()
        await world.until(lambda: world.approvals.by_id[approval.id].is_ended)

        assert again.answers == [True]
        await other.runners.hand_over()
