"""Turns over fakes: states, the journal, stops, failures."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from chat_proxy.model.agent import (
    AgentStatus,
    ApprovalAsk,
    Finished,
    ReasoningDelta,
    TextDelta,
    Tokens,
    ToolProgress,
    ToolStart,
)
from common.contracts import chat
from common.contracts.chat import TurnRequest, TurnState
from common.errors import (
    ConflictError,
    ErrorCode,
    InvalidError,
    NotFoundError,
    RateLimitedError,
    UnavailableError,
)

OWNER = "own_" + "1" * 20
DONE = Finished(AgentStatus.COMPLETE, "Hello.", Tokens(total=7, calls=1))


async def finished(world: Any, runner: Any) -> Any:
    async with asyncio.timeout(5):
        await runner.done.wait()
    return world.turns.by_id[runner.turn.id]


class TestStart:
    async def test_the_message_is_stored_before_anything_is_sent(self, world: Any) -> None:
        session = await world.session()
        world.sandboxes.failure = UnavailableError("no sandbox")

        await world.me.start(session, "keep this")

        assert [turn.text for turn in world.turns.by_id.values()] == ["keep this"]
        assert [event.subject for event in world.turns.emitted[:1]] == ["evt.turn.started.v1"]

    async def test_the_first_turn_brings_the_skill_and_has_it_verified(self, world: Any) -> None:
        session = await world.session()

        runner = await world.say(session, "count this")

        assert "Count the words." in world.agents.last.prompts[0]
        assert world.sandboxes.acquired == [(runner.turn.id, True)]
        assert runner.turn.skill_digest == session.skill.digest

    async def test_a_later_turn_is_just_its_text(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)
        world.agents.last.tell(DONE)
        await finished(world, runner)

        await world.say(session, "and now this")

        assert world.agents.last.prompts == ["and now this"]
        assert world.sandboxes.acquired[1][1] is False

    async def test_one_turn_at_a_time(self, world: Any) -> None:
        session = await world.session()
        running = await world.say(session)

        with pytest.raises(ConflictError) as refused:
            await world.me.start(session, "more")

        assert refused.value.code is ErrorCode.TURN_RUNNING
        assert refused.value.extra == {"turn_id": running.turn.id}

    async def test_the_same_key_is_the_same_turn(self, world: Any) -> None:
        session = await world.session()
        first = await world.me.start(session, "go", key="k")

        again = await world.me.start(session, "go", key="k")

        assert again.id == first.id
        with pytest.raises(ConflictError) as refused:
            await world.me.start(session, "stay", key="k")
        assert refused.value.code is ErrorCode.IDEMPOTENCY_MISMATCH

    async def test_one_that_was_stored_without_an_answer_runs_all_the_same(
        self, world: Any
    ) -> None:
        session = await world.session()
        world.turns.loses_answers = True

        with pytest.raises(UnavailableError):
            await world.me.start(session, "go", key="k")
        world.turns.loses_answers = False
        again = await world.me.start(session, "go", key="k")

        await world.until(lambda: bool(world.agents.opened) and bool(world.agents.last.prompts))
        assert world.me.runners.runs(again.id)
        assert len(world.agents.opened) == 1

    async def test_too_many_at_once_are_refused_with_the_limit(self, world: Any) -> None:
        for _ in range(world.limits.turns_per_owner):
            await world.me.start(await world.session(), "go")

        with pytest.raises(RateLimitedError) as refused:
            await world.me.start(await world.session(), "go")

        assert refused.value.code is ErrorCode.QUOTA_EXCEEDED
        assert refused.value.extra["value"] == world.limits.turns_per_owner

    async def test_the_first_message_gives_the_title(self, world: Any) -> None:
        session = await world.session()

        await world.say(session, "Count the words of this")

        detail = await world.me.sessions.get(OWNER, session.id)
        assert detail.title == "Count the words of this"
        assert detail.turn_id is not None


class TestAttachments:
    async def test_the_agent_is_told_of_them_and_shown_the_images(self, world: Any) -> None:
        session = await world.session()
        paths = ["data.csv", "shots/one.PNG"]

        turn = await world.me.start(session, "what is this", attachments=paths)
        await world.until(lambda: bool(world.agents.opened and world.agents.last.prompts))

        assert turn.attachments == paths
        assert world.agents.last.prompts[0].endswith(
            "instruction alongside the skill invocation: [The user attached these files, which"
            " are in your working directory:\n- data.csv\n- shots/one.PNG]\n\nwhat is this"
        )
        assert world.agents.last.images == [["/work/shots/one.PNG"]]
        assert world.live.entries[0].fields["attachments"] == paths
        detail = await world.me.sessions.get(OWNER, session.id)
        assert detail.title == "what is this"

    @pytest.mark.parametrize(
        "path", ["", "/etc/passwd", "../x", "a/../../b", "a\nb", "a\\b", ".", "\x7f/.."]
    )
    async def test_they_lie_in_the_workspace(self, world: Any, path: str) -> None:
        session = await world.session()

        with pytest.raises(InvalidError) as refused:
            await world.me.start(session, "go", attachments=["fine.txt", path])

        assert refused.value.code is ErrorCode.PATH_REFUSED
        assert not world.turns.by_id

    async def test_another_file_is_another_message(self, world: Any) -> None:
        session = await world.session()
        await world.me.start(session, "go", key="k", attachments=["a"])

        with pytest.raises(ConflictError):
            await world.me.start(session, "go", key="k", attachments=["b"])


class TestBegunElsewhere:
    async def test_the_agent_is_told_what_was_said_and_the_clients_instructions(
        self, world: Any
    ) -> None:
        said = [
            chat.ContextMessage(role="user", text="My name is Ada."),
            chat.ContextMessage(role="assistant", text="Hello Ada."),
        ]
        context = chat.SessionContext(instructions="Speak like a pirate.", history=said)
        session = await world.me.create(context)

        await world.say(session, "who am I?")

        assert [(one.role, one.text) for one in world.agents.histories[0]] == [
            ("user", "My name is Ada."),
            ("assistant", "Hello Ada."),
        ]
        prompt = world.agents.last.prompts[0]
        assert "gives these instructions for the conversation: Speak like a pirate." in prompt
        assert prompt.endswith("who am I?")
        world.agents.last.tell(TextDelta("Ada."))
        await world.until(lambda: "text" in world.live.kinds)
        assert world.live.kinds == ["turn.started", "notice", "text"]
        assert world.live.entries[1].fields["code"] == "history_given"

    async def test_only_the_last_of_a_long_one(self, world: Any) -> None:
        said = [chat.ContextMessage(role="user", text=f"{n} " + "x" * 5000) for n in range(50)]
        session = await world.me.create(chat.SessionContext(history=said))

        await world.say(session)

        told = world.agents.histories[0]
        assert told[-1].text.startswith("49 ")
        assert sum(len(one.text) for one in told) <= 32_000

    async def test_a_conversation_is_found_once(self, world: Any) -> None:
        session = await world.session()
        thread = "a" * 64
        await world.me.sessions.keep_thread(
            chat.KeepThread(owner_id=OWNER, session_id=session.id, thread=thread)
        )
        with pytest.raises(NotFoundError):
            await world.me.sessions.take_thread("own_" + "2" * 20, thread)

        assert (await world.me.sessions.take_thread(OWNER, thread)).id == session.id

        with pytest.raises(NotFoundError):
            await world.me.sessions.take_thread(OWNER, thread)


class TestJournal:
    async def test_what_the_user_should_know_of_the_sandbox_is_told(self, world: Any) -> None:
        world.sandboxes.notices = ("New settings wait.",)

        await world.say(await world.session())
        world.agents.last.tell(TextDelta("Hi."))
        await world.until(lambda: "text" in world.live.kinds)

        assert world.live.kinds == ["turn.started", "notice", "text"]
        assert world.live.entries[1].fields == {"text": "New settings wait.", "code": "sandbox"}

    async def test_what_comes_together_is_one_entry(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)

        world.agents.last.tell(TextDelta("Hel"), TextDelta("lo."), DONE)
        await finished(world, runner)

        assert world.live.kinds == ["turn.started", "text", "usage", "turn.ended"]
        assert [entry.seq for entry in world.live.entries] == [1, 2, 3, 4]
        assert world.live.entries[1].fields == {"text": "Hello."}

    async def test_numbers_go_on_in_the_next_turn(self, world: Any) -> None:
        session = await world.session()
        for _ in range(2):
            runner = await world.say(session)
            world.agents.last.tell(TextDelta("Hello."), DONE)
            await finished(world, runner)

        assert [entry.seq for entry in world.live.entries] == list(range(1, 9))

    async def test_the_end_is_stored_before_it_is_told(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)
        world.answers.is_down = True

        world.agents.last.tell(TextDelta("Hello."), DONE)
        await world.until(lambda: "text" in world.live.kinds)

        assert "turn.ended" not in world.live.kinds
        world.answers.is_down = False
        turn = await finished(world, runner)
        assert turn.state is TurnState.COMPLETED
        assert world.live.kinds[-1] == "turn.ended"

    async def test_the_end_is_assured(self, world: Any) -> None:
        runner = await world.say(await world.session())
        world.agents.last.tell(TextDelta("Hello."), DONE)
        await finished(world, runner)

        assert [one.type for one in world.live.assured] == ["turn.ended"]
        assert world.live.assured[0].seq == world.live.entries[-1].seq

    async def test_nothing_is_told_after_the_claim_has_run_out(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)
        told = len(world.live.entries)
        world.clock.advance(timedelta(seconds=31))

        world.agents.last.tell(TextDelta("late"))
        await world.until(world.agents.last._batches.empty)
        await asyncio.sleep(0)

        assert len(world.live.entries) == told
        await runner.tick()
        assert world.live.entries[-1].fields == {"text": "late"}

    async def test_a_process_that_lost_its_claim_gives_up(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)
        world.clock.advance(timedelta(seconds=31))
        await world.process("prc_other").takeover.run_once()

        with pytest.raises(Exception, match="another process"):
            await runner.tick()

    async def test_another_skill_is_noticed_and_recorded(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)

        tool = ToolStart("c1", "skill_view", arguments={"name": "draw"})
        world.agents.last.tell(tool, TextDelta("Hello."), DONE)

        turn = await finished(world, runner)
        assert turn.other_skills == ("draw",)
        notice = next(one for one in world.live.entries if one.type == "notice")
        assert notice.fields["code"] == "other_skill"


class TestEnd:
    async def test_a_sandbox_that_is_not_there_ends_the_turn_with_its_reason(
        self, world: Any
    ) -> None:
        session = await world.session()
        world.sandboxes.failure = UnavailableError(
            "the sandbox does not wake up", code=ErrorCode.SANDBOX_UNAVAILABLE
        )

        started = await world.me.start(session, "go")

        await world.until(lambda: world.turns.by_id[started.id].is_ended)
        turn = world.turns.by_id[started.id]
        assert turn.error.code is ErrorCode.SANDBOX_UNAVAILABLE
        assert world.live.kinds == ["turn.started", "turn.ended"]

    async def test_the_lease_is_given_back_and_the_connection_rests(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)

        world.agents.last.tell(TextDelta("Hello."), DONE)
        await finished(world, runner)

        assert world.sandboxes.released == ["use_1"]
        assert world.agents.last.rested

    async def test_an_answer_without_text_is_a_failure(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)

        world.agents.last.tell(Finished(AgentStatus.COMPLETE, ""))

        assert (await finished(world, runner)).error.code is ErrorCode.EMPTY_ANSWER

    async def test_the_event_tells_state_and_tokens_and_no_text(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session, "a private question")
        world.agents.last.tell(TextDelta("Hello."), DONE)
        await finished(world, runner)

        event = world.turns.emitted[-1]
        assert event.subject == "evt.turn.ended.v1"
        assert (event.body["data"]["state"], event.body["data"]["total_tokens"]) == (
            "completed",
            7,
        )
        assert "private" not in str(world.turns.emitted)

    @pytest.mark.parametrize(
        "said",
        [TextDelta("x" * 100_000), ReasoningDelta("ä" * 50_000), ToolProgress("c", "y" * 8000)],
    )
    async def test_a_flood_is_cut_and_what_fits_is_kept(self, world: Any, said: Any) -> None:
        session = await world.session()
        runner = await world.say(session)
        world.agents.last.tell(*[said] * 4000)

        turn = await finished(world, runner)

        assert turn.error.code is ErrorCode.AGENT_ERROR
        assert world.agents.opened[0].interrupts == 1
        told = sum(len(entry.line()) for entry in world.live.entries)
        assert 2_000_000 < told < 13 * 1024 * 1024
        assert max(len(entry.line()) for entry in world.live.entries) < 256 * 1024

    async def test_a_flood_is_cut_while_the_store_is_down(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)
        world.answers.is_down = True
        world.agents.last.tell(*[TextDelta("x" * 1000)] * 10_000)

        await world.until(lambda: world.agents.opened[0].interrupts == 1)

        world.answers.is_down = False
        assert (await finished(world, runner)).error.code is ErrorCode.AGENT_ERROR

    async def test_a_command_that_cannot_be_shown_is_refused(self, world: Any) -> None:
        await world.say(await world.session())

        world.agents.last.tell(ApprovalAsk("rm " + "x" * 30_000, "", ("rm",), ("once", "deny")))
        await world.until(lambda: "approval.resolved" in world.live.kinds)

        assert world.agents.last.answers == [False]

    async def test_an_agent_that_stays_silent_is_given_up(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)
        world.clock.advance(world.limits.silence + timedelta(seconds=1))

        await runner.tick()

        assert (await finished(world, runner)).error.code is ErrorCode.AGENT_LOST


class TestStop:
    async def test_what_was_said_is_kept(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)
        world.agents.last.tell(TextDelta("Hel"))
        await world.until(lambda: "text" in world.live.kinds)
        request = TurnRequest(owner_id=OWNER, session_id=session.id, turn_id=runner.turn.id)

        await world.me.turns.stop(request)

        turn = await finished(world, runner)
        assert (turn.state, turn.error) == (TurnState.STOPPED, None)
        detail = await world.me.sessions.get(OWNER, session.id)
        assert detail.messages[1].text == "Hel"

    async def test_a_turn_that_runs_elsewhere_is_stopped_by_its_holder(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)
        other = world.process("prc_other")
        request = TurnRequest(owner_id=OWNER, session_id=session.id, turn_id=runner.turn.id)

        await other.turns.stop(request)

        world.clock.advance(timedelta(seconds=10))
        await runner.tick()
        assert (await finished(world, runner)).state is TurnState.STOPPED

    async def test_deleting_the_session_stops_it(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)

        await world.me.sessions.delete(OWNER, session.id)

        assert (await finished(world, runner)).state is TurnState.STOPPED
        with pytest.raises(NotFoundError):
            await world.me.sessions.get(OWNER, session.id)


class TestEndTold:
    async def test_viewers_hear_of_it_when_it_is_stored_also_from_the_upkeep(
        self, world: Any
    ) -> None:
        session = await world.session()
        runner = await world.say(session)
        world.answers.gate.clear()
        world.agents.last.tell(TextDelta("Hello."), DONE)
        await world.until(lambda: runner._conversation.writer.answer.is_ended)

        upkeep = asyncio.ensure_future(runner.tick())
        await asyncio.sleep(0)
        told = list(world.live.kinds)
        world.answers.gate.set()
        await finished(world, runner)
        await upkeep

        assert "turn.ended" not in told
        assert world.live.kinds[-1] == "turn.ended"
