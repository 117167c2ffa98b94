"""Turns over fakes that go on: a broken connection, the next process, a viewer who comes late."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from chat_proxy.errors import AgentLostError
from chat_proxy.model.agent import (
    AgentStatus,
    Finished,
    Standing,
    TextDelta,
    Tokens,
    ToolCall,
    ToolStart,
    TranscriptMessage,
)
from chat_proxy.model.turn import CLAIM_TTL
from common.contracts.chat import Attach, TurnState
from common.errors import ErrorCode, ForbiddenError, NotFoundError

OWNER = "own_" + "1" * 20
DONE = Finished(AgentStatus.COMPLETE, "Hello.", Tokens(total=7, calls=1))


async def finished(world: Any, runner: Any) -> Any:
    async with asyncio.timeout(5):
        await runner.done.wait()
    return world.turns.by_id[runner.turn.id]


class TestConnection:
    async def test_an_agent_that_was_lent_and_is_gone_is_asked_for_again(self, world: Any) -> None:
        session = await world.session()
        world.agents.prepared = [AgentLostError("gone")]
        runner = await world.say(session)
        await world.until(lambda: world.agents.opened)
        world.agents.last.tell(TextDelta("Hello."), DONE)

        turn = await finished(world, runner)

        assert turn.state is TurnState.COMPLETED
        assert world.sandboxes.acquired == [(turn.id, True), (turn.id, False)]
        assert world.sandboxes.released == ["use_1", "use_2"]

    async def test_a_broken_one_is_made_again_and_nothing_is_missing(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)
        first = world.agents.last
        first.tell(TextDelta("Hel"))
        await world.until(lambda: "text" in world.live.kinds)
        again = replace(
            first, standing=Standing(running=True, prompt="go", text="Hello"), _batches=_queue()
        )
        world.agents.prepared = [AgentLostError("not yet"), again]

        first.drop()
        await world.until(lambda: world.agents.last is again)
        again.tell(TextDelta("."), DONE)

        turn = await finished(world, runner)
        assert turn.state is TurnState.COMPLETED
        assert _text(world) == "Hello."
        assert again.prompts == first.prompts

    async def test_an_agent_that_ended_meanwhile_is_read_from_its_record(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)
        first = world.agents.last
        record = [
            TranscriptMessage("user", "go"),
            TranscriptMessage("assistant", calls=(ToolCall("c1", "terminal"),)),
            TranscriptMessage("tool", "one", call_id="c1"),
            TranscriptMessage("assistant", "Hello.", finish="stop"),
        ]
        world.agents.prepared = [replace(first, record=record, _batches=_queue())]

        first.drop()

        turn = await finished(world, runner)
        tool = next(one for one in world.live.entries if one.type == "tool.completed")
        assert turn.state is TurnState.COMPLETED
        assert tool.fields["recovered"]
        assert _text(world) == "Hello."

    async def test_an_agent_that_stopped_half_way_is_lost(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)
        first = world.agents.last
        first.tell(TextDelta("Hel"))
        await world.until(lambda: "text" in world.live.kinds)
        record = [TranscriptMessage("user", "go"), TranscriptMessage("assistant", "Hel")]
        world.agents.prepared = [replace(first, record=record, _batches=_queue())]

        first.drop()

        turn = await finished(world, runner)
        assert turn.error.code is ErrorCode.AGENT_LOST
        assert _text(world) == "Hel"

    async def test_a_fresh_agent_is_told_the_history_and_it_is_said(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session, "remember Ada")
        world.agents.last.tell(TextDelta("Hello."), DONE)
        await finished(world, runner)
        world.agents.forgets = True

        await world.say(session, "who?")
        world.agents.last.tell(TextDelta("Ada."))
        await world.until(lambda: "notice" in world.live.kinds)

        assert [one.text for one in world.agents.histories[-1]] == ["remember Ada", "Hello."]
        assert "Count the words." in world.agents.last.prompts[0]
        notice = next(one for one in world.live.entries if one.type == "notice")
        assert notice.fields["code"] == "history_replayed"


class TestLease:
    async def test_it_is_renewed_while_the_turn_runs(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)
        world.clock.advance(timedelta(seconds=20))

        await runner.tick()

        await world.until(lambda: world.sandboxes.renewed == ["use_1"])
        assert runner.turn.claim.covers(world.clock() + timedelta(seconds=29))

    async def test_one_that_is_not_prolonged_in_time_does_not_cost_the_claim(
        self, world: Any
    ) -> None:
        session = await world.session()
        runner = await world.say(session)
        world.sandboxes.is_silent = True

        for _ in range(5):
            world.clock.advance(timedelta(seconds=10))
            await runner.tick()

        assert runner.turn.claim.covers(world.clock() + timedelta(seconds=29))
        world.agents.last.tell(TextDelta("Hello."), DONE)
        turn = await finished(world, runner)
        assert turn.state is TurnState.COMPLETED

    async def test_one_that_ended_is_acquired_anew(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)
        world.sandboxes.gone = {"use_1"}
        world.clock.advance(timedelta(seconds=20))

        await runner.tick()
        await world.until(lambda: len(world.sandboxes.gone_on) == 2)
        world.agents.last.tell(TextDelta("Hello."), DONE)
        await finished(world, runner)

        assert world.sandboxes.released == ["use_2"]
        assert world.sandboxes.gone_on == [False, True]

    async def test_a_skill_that_the_operator_blocks_meanwhile_ends_the_turn(
        self, world: Any
    ) -> None:
        session = await world.session()
        runner = await world.say(session)
        world.agents.last.tell(TextDelta("Hel"))
        await world.until(lambda: "text" in world.live.kinds)
        world.sandboxes.refusal = ForbiddenError("blocked", code=ErrorCode.SKILL_BLOCKED)
        world.clock.advance(timedelta(seconds=20))

        await runner.tick()
        turn = await finished(world, runner)

        assert turn.state is TurnState.FAILED
        assert turn.error.code == ErrorCode.SKILL_BLOCKED
        assert world.agents.last.interrupts == 1


class TestTakeover:
    async def test_the_next_process_goes_on_with_the_same_numbers(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)
        first = world.agents.last
        first.tell(TextDelta("Hel"))
        await world.until(lambda: "text" in world.live.kinds)
        again = replace(
            first, standing=Standing(running=True, prompt="go", text="Hello"), _batches=_queue()
        )
        world.agents.prepared = [again]
        world.clock.advance(timedelta(seconds=31))
        other = world.process("prc_other")

        assert await other.takeover.run_once() == 1
        await world.until(lambda: world.agents.last is again)
        again.tell(TextDelta("."), DONE)
        successor = other.runners.of(session.id)
        await finished(world, successor)

        numbers = [entry.seq for entry in world.live.entries]
        assert numbers == list(range(1, len(numbers) + 1))
        assert _text(world) == "Hello."
        assert again.prompts == first.prompts
        assert runner.turn.claim.fence < successor.turn.claim.fence

    async def test_a_turn_that_was_never_prompted_is_prompted(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)
        await world.me.runners.hand_over()
        stored = world.turns.by_id[runner.turn.id]
        world.turns.by_id[stored.id] = replace(stored, state=TurnState.PENDING, agent_session=None)
        other = world.process("prc_other")

        await other.takeover.run_once()
        await world.until(lambda: len(world.agents.opened) == 2 and world.agents.last.prompts)
        world.agents.last.tell(TextDelta("Hello."), DONE)

        await finished(world, other.runners.of(session.id))
        assert world.live.kinds.count("turn.started") == 1

    async def test_an_end_that_was_stored_is_only_closed(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)
        world.agents.last.tell(TextDelta("Hello."), DONE)
        ended = await finished(world, runner)
        world.turns.by_id[ended.id] = replace(ended, state=TurnState.RUNNING, ended_at=None)
        world.clock.advance(timedelta(seconds=31))
        other = world.process("prc_other")

        await other.takeover.run_once()
        await world.until(lambda: world.turns.by_id[ended.id].is_ended)

        assert world.turns.by_id[ended.id].state is TurnState.COMPLETED
        assert len(world.agents.opened) == 1


class TestAttach:
    async def test_who_goes_in_the_middle_leaves_no_hole(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)
        await runner.store()
        world.answers.gate.clear()
        world.agents.last.tell(TextDelta("Hello"), ToolStart("c1", "terminal"))
        await world.until(lambda: "tool.started" in world.live.kinds)

        viewer = asyncio.ensure_future(runner.store())
        await asyncio.sleep(0)
        viewer.cancel()
        await asyncio.wait({viewer})
        world.answers.gate.set()

        await runner.store()
        kinds = [one.type for one in world.answers.by_turn[runner.turn.id]]
        assert kinds == ["turn.started", "text", "tool.started"]

    async def test_what_is_only_in_memory_is_stored_first(self, world: Any) -> None:
        session = await world.session()
        await world.say(session)
        world.agents.last.tell(TextDelta("Hello."))
        await world.until(lambda: "text" in world.live.kinds)

        attached = await world.me.attaching.attach(Attach(owner_id=OWNER, session_id=session.id))

        assert [entry.type for entry in attached.entries] == ["turn.started", "text"]
        assert attached.last_seq == 2

    async def test_a_viewer_who_has_all_waits_for_no_store(self, world: Any) -> None:
        session = await world.session()
        await world.say(session)
        world.agents.last.tell(TextDelta("Hello."))
        await world.until(lambda: "text" in world.live.kinds)
        world.answers.gate.clear()

        attached = await asyncio.wait_for(
            world.me.attaching.attach(Attach(owner_id=OWNER, session_id=session.id, after=2)), 1
        )

        assert (attached.entries, attached.last_seq, attached.more) == ([], 2, False)
        with pytest.raises(NotFoundError):
            await world.me.attaching.attach(
                Attach(owner_id="own_" + "2" * 20, session_id=session.id, after=2)
            )
        world.answers.gate.set()

    async def test_who_lost_the_claim_does_not_say_that_this_is_all(self, world: Any) -> None:
        session = await world.session()
        await world.say(session)
        world.agents.last.tell(TextDelta("Hello."))
        await world.until(lambda: "text" in world.live.kinds)
        world.clock.advance(CLAIM_TTL)
        world.answers.gate.clear()

        attaching = asyncio.ensure_future(
            world.me.attaching.attach(Attach(owner_id=OWNER, session_id=session.id, after=2))
        )

        await asyncio.wait({attaching}, timeout=0.05)
        assert not attaching.done()
        world.answers.gate.set()
        assert (await attaching).last_seq == 2

    async def test_a_dead_holders_tail_comes_from_the_stream(self, world: Any) -> None:
        session = await world.session()
        await world.say(session)
        world.agents.last.tell(TextDelta("Hello."))
        await world.until(lambda: "text" in world.live.kinds)
        other = world.process("prc_other")

        attached = await other.attaching.attach(
            Attach(owner_id=OWNER, session_id=session.id, after=1)
        )

        assert [entry.type for entry in attached.entries] == ["text"]


def _queue() -> Any:
    return asyncio.Queue()


def _text(world: Any) -> str:
    return "".join(
        entry.fields["text"] for entry in world.live.entries if entry.type == "text"
    ).strip()
