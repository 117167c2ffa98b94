"""Whole turns against the real Hermes: what is told, stored, and repeated to whoever asks."""

import asyncio
import base64
from datetime import timedelta
from typing import Any

import pytest
from common.contracts import chat
from common.contracts.chat import ApprovalChoice, ApprovalState, TurnState
from common.errors import AppError, ConflictError, ErrorCode, GoneError, NotFoundError

OWNER = "own_" + "a" * 20
STRANGER = "own_" + "b" * 20
DOT = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg"
    "=="
)
SLOW = "[[tokens:60]][[chunkdelay:0.05]]"


def kinds(entries: list[Any]) -> list[str]:
    return [entry.type for entry in entries]


def numbers(entries: list[Any]) -> list[int]:
    return [n for e in entries for n in range(e.seq_from or e.seq, e.seq + 1)]


def shown(entries: list[Any]) -> str:
    """The text as a viewer shows it."""
    parts = [""]
    for entry in entries:
        if entry.type == "tool.started":
            parts.append("")
        elif entry.type == "text.replaced":
            parts[-1] = entry.text
        elif entry.type == "text":
            parts[-1] += entry.text
    return "".join(parts).strip()


class TestTurn:
    async def test_a_plain_answer(self, platform: Any) -> None:
        await platform.start()
        session = await platform.session()

        turn = await platform.ended(await platform.say(session, "[[say:Hello **you**.]]"))

        entries = await platform.entries(session.id)
        assert turn.state is TurnState.COMPLETED
        assert turn.skill_digest == session.skill.digest
        assert kinds(entries) == ["turn.started", "text", "usage", "turn.ended"]
        assert shown(entries) == "Hello **you**."
        assert numbers(entries) == list(range(1, entries[-1].seq + 1))

    async def test_the_first_prompt_brings_the_skill_and_the_second_does_not(
        self, platform: Any
    ) -> None:
        await platform.start()
        session = await platform.session()

        first = await platform.ended(await platform.say(session, "[[echo:user]] one"))
        second = await platform.ended(await platform.say(session, "[[echo:user]] two"))

        one = shown([e for e in await platform.entries(session.id) if e.turn_id == first.id])
        two = shown([e for e in await platform.entries(session.id) if e.turn_id == second.id])
        directory = "/home/daytona/skills/acme--tools--count-words"
        assert 'has invoked the "count-words" skill' in one
        assert f"Run `{directory}/scripts/count.py`." in one
        assert one.endswith("alongside the skill invocation: [[echo:user]] one")
        assert two == "[[echo:user]] two"

    async def test_attachments_reach_the_agent_and_images_its_model(self, platform: Any) -> None:
        await platform.start()
        session = await platform.session()
        workspace = platform.neighbours.hermes.directory / "work" / session.id
        workspace.mkdir(exist_ok=True)
        (workspace / "a dot.png").write_bytes(base64.b64decode(DOT))

        turn = await platform.ended(
            await platform.say(
                session, "[[echo:user]] look", attachments=["notes.txt", "a dot.png", "gone.png"]
            )
        )

        entries = await platform.entries(session.id)
        told = shown(entries)
        assert turn.state is TurnState.COMPLETED
        assert entries[0].attachments == ["notes.txt", "a dot.png", "gone.png"]
        assert "- notes.txt\n- a dot.png\n- gone.png]\n\n[[echo:user]] look" in told
        # The demo model describes no picture; that it was shown one is what counts.
        assert told.count("[The user attached an image:") == 1

    async def test_tools_and_reasoning_are_told_with_all_their_facts(self, platform: Any) -> None:
        await platform.start()
        session = await platform.session()

        await platform.ended(
            await platform.say(
                session,
                '[[reasoning:because]][[pre:Let me see.]][[tool:terminal {"command":"echo hi"}]]'
                "[[say:Done.]]",
            )
        )

        entries = await platform.entries(session.id)
        started = next(entry for entry in entries if entry.type == "tool.started")
        completed = next(entry for entry in entries if entry.type == "tool.completed")
        assert kinds(entries)[:5] == [
            "turn.started",
            "reasoning",
            "text",
            "tool.started",
            "tool.completed",
        ]
        assert (started.name, started.arguments) == ("terminal", {"command": "echo hi"})
        assert (completed.call_id, completed.result) == (started.call_id, "hi")
        assert not completed.error
        assert shown(entries) == "Let me see.\n\nDone."

    async def test_numbers_go_on_and_tokens_are_the_turns_own(self, platform: Any) -> None:
        await platform.start()
        session = await platform.session()
        await platform.ended(await platform.say(session, "[[say:one]][[usage:10,5]]"))

        turn = await platform.ended(await platform.say(session, "[[say:two]][[usage:20,7]]"))

        entries = await platform.entries(session.id)
        ended = [entry.seq for entry in entries if entry.type == "turn.ended"]
        assert numbers(entries) == list(range(1, ended[1] + 1))
        assert turn.seq_from == ended[0] + 1
        usage = [entry.total_tokens for entry in entries if entry.type == "usage"]
        assert usage == [15, 27]

    async def test_one_turn_at_a_time(self, platform: Any) -> None:
        await platform.start()
        session = await platform.session()
        running = await platform.say(session, SLOW)

        with pytest.raises(ConflictError) as refused:
            await platform.say(session, "and another")

        assert refused.value.code is ErrorCode.TURN_RUNNING
        assert refused.value.extra == {"turn_id": running.id}

    async def test_the_next_turn_may_follow_the_end_at_once(self, platform: Any) -> None:
        await platform.start()
        session = await platform.session()
        ended = asyncio.Event()

        def on_body(body: bytes) -> None:
            if b'"turn.ended"' in body:
                ended.set()

        await platform.journal.follow(chat.session_journal(session.id), on_body)
        for number in range(5):
            ended.clear()
            await platform.say(session, f"[[say:{number}]]")
            async with asyncio.timeout(20):
                await ended.wait()

        assert len([k for k in kinds(await platform.entries(session.id)) if k == "text"]) == 5

    async def test_the_same_key_gives_the_same_turn(self, platform: Any) -> None:
        await platform.start()
        session = await platform.session()
        request = chat.StartTurn(
            owner_id=OWNER, session_id=session.id, text="[[say:x]]", idempotency_key="k"
        )
        first = await platform.rpc.call(chat.START_TURN, request)
        await platform.ended(first)

        again = await platform.rpc.call(chat.START_TURN, request)

        assert again.id == first.id
        assert kinds(await platform.entries(session.id)).count("turn.started") == 1

    async def test_a_strangers_session_does_not_exist(self, platform: Any) -> None:
        await platform.start()
        session = await platform.session()

        for rpc in (chat.GET_SESSION, chat.DELETE_SESSION):
            with pytest.raises(NotFoundError):
                await platform.rpc.call(
                    rpc, chat.SessionRequest(owner_id=STRANGER, session_id=session.id)
                )
        with pytest.raises(NotFoundError):
            await platform.rpc.call(
                chat.START_TURN,
                chat.StartTurn(owner_id=STRANGER, session_id=session.id, text="hi"),
            )

    async def test_the_use_lease_is_given_back(self, platform: Any) -> None:
        await platform.start()
        session = await platform.session()

        await platform.ended(await platform.say(session, "[[say:x]]"))

        async with asyncio.timeout(5):
            while not platform.neighbours.released:
                await asyncio.sleep(0.01)
        assert platform.neighbours.acquired[0].verify


class TestFailures:
    @pytest.mark.parametrize(
        ("marker", "code"),
        [
            ("[[error:401]]", ErrorCode.PROVIDER_AUTH),
            ("[[error:402]]", ErrorCode.PROVIDER_CREDIT),
            ("[[error:404]]", ErrorCode.PROVIDER_ERROR),
            ("[[error:429]]", ErrorCode.PROVIDER_RATE_LIMIT),
            ("[[error:context]]", ErrorCode.PROVIDER_ERROR),
            ("[[error:drop]]", ErrorCode.PROVIDER_ERROR),
            ("[[error:empty]]", ErrorCode.EMPTY_ANSWER),
        ],
    )
    async def test_the_providers_errors_have_their_codes(
        self, platform: Any, marker: str, code: ErrorCode
    ) -> None:
        await platform.start()
        session = await platform.session()

        turn = await platform.ended(await platform.say(session, marker))

        assert turn.state is TurnState.FAILED
        assert turn.error.code is code
        assert (await platform.entries(session.id))[-1].error == turn.error

    async def test_an_answer_started_over_is_replaced(self, platform: Any) -> None:
        await platform.start()
        session = await platform.session()

        prompt = "[[error:drop:1]][[startover]][[tokens:12]]"
        turn = await platform.ended(await platform.say(session, prompt))

        entries = await platform.entries(session.id)
        assert turn.state is TurnState.COMPLETED
        assert "text.replaced" in kinds(entries)
        assert shown(entries) == " ".join(f"w{number}" for number in range(12))

    async def test_an_answer_that_is_gone_on_with_is_whole(self, platform: Any) -> None:
        await platform.start()
        session = await platform.session()

        turn = await platform.ended(await platform.say(session, "[[error:drop:1]][[tokens:12]]"))

        entries = await platform.entries(session.id)
        assert turn.state is TurnState.COMPLETED
        assert shown(entries).split() == [f"w{number}" for number in range(12)]


class TestStop:
    async def test_what_was_said_is_kept(self, platform: Any) -> None:
        await platform.start()
        session = await platform.session()
        turn = await platform.say(session, "[[tokens:200]][[chunkdelay:0.05]]")
        await platform.entry(session.id, "text")

        request = chat.TurnRequest(owner_id=OWNER, session_id=session.id, turn_id=turn.id)
        await platform.rpc.call(chat.STOP_TURN, request)

        ended = await platform.ended(turn)
        assert ended.state is TurnState.STOPPED
        assert shown(await platform.entries(session.id)).startswith("w0")

    async def test_another_process_runs_the_turn(self, platform: Any) -> None:
        runs = await platform.start()
        session = await platform.session()
        turn = await platform.say(session, "[[tokens:200]][[chunkdelay:0.05]]")
        await platform.entry(session.id, "text")
        other = await platform.start()
        request = chat.TurnRequest(owner_id=OWNER, session_id=session.id, turn_id=turn.id)

        await other.outside.replicas.stop(runs.outside.me, request)

        assert (await platform.ended(turn)).state is TurnState.STOPPED


class TestApprovals:
    DANGEROUS = '[[tool:terminal {"command":"rm -rf gone"}]][[say:done]]'

    async def answer(self, platform: Any, entry: Any, session: Any, choice: ApprovalChoice) -> Any:
        request = chat.AnswerApproval(
            owner_id=OWNER, session_id=session.id, approval_id=entry.approval_id, choice=choice
        )
        return await platform.rpc.call(chat.ANSWER_APPROVAL, request)

    async def test_the_command_runs_after_once(self, platform: Any) -> None:
        await platform.start()
        session = await platform.session()
        turn = await platform.say(session, self.DANGEROUS)
        asked = await platform.entry(session.id, "approval.requested")

        approval = await self.answer(platform, asked, session, ApprovalChoice.ONCE)

        assert approval.state is ApprovalState.DELIVERED
        assert (await platform.ended(turn)).state is TurnState.COMPLETED
        tool = await platform.entry(session.id, "tool.completed")
        assert not tool.error
        resolved = await platform.entry(session.id, "approval.resolved")
        assert (resolved.state, resolved.choice) == (ApprovalState.DELIVERED, ApprovalChoice.ONCE)

    async def test_the_command_does_not_run_after_deny(self, platform: Any) -> None:
        await platform.start()
        session = await platform.session()
        turn = await platform.say(session, self.DANGEROUS)
        asked = await platform.entry(session.id, "approval.requested")

        await self.answer(platform, asked, session, ApprovalChoice.DENY)

        await platform.ended(turn)
        assert (await platform.entry(session.id, "tool.completed")).error

    async def test_of_two_answers_the_first_wins(self, platform: Any) -> None:
        await platform.start()
        await platform.start()
        session = await platform.session()
        await platform.say(session, self.DANGEROUS)
        asked = await platform.entry(session.id, "approval.requested")

        answers = await asyncio.gather(
            self.answer(platform, asked, session, ApprovalChoice.ONCE),
            self.answer(platform, asked, session, ApprovalChoice.DENY),
            return_exceptions=True,
        )

        won = [answer for answer in answers if not isinstance(answer, AppError)]
        lost = [answer for answer in answers if isinstance(answer, ConflictError)]
        assert (len(won), len(lost)) == (1, 1)
        assert lost[0].code is ErrorCode.APPROVAL_DECIDED
        winner: Any = won[0]
        assert lost[0].extra["approval"]["choice"] == winner.choice

    async def test_one_that_expired_is_gone_and_the_agent_goes_on(self, platform: Any) -> None:
        await platform.start(approval_ttl=timedelta(seconds=1))
        session = await platform.session()
        turn = await platform.say(session, self.DANGEROUS)
        asked = await platform.entry(session.id, "approval.requested")

        ended = await platform.ended(turn)

        with pytest.raises(GoneError) as refused:
            await self.answer(platform, asked, session, ApprovalChoice.ONCE)
        assert refused.value.code is ErrorCode.APPROVAL_EXPIRED
        assert ended.state is TurnState.COMPLETED
        assert (await platform.entry(session.id, "tool.completed")).error
        resolved = await platform.entry(session.id, "approval.resolved")
        assert resolved.state is ApprovalState.EXPIRED

    async def test_always_holds_in_another_session_and_the_agent_hears_once(
        self, platform: Any
    ) -> None:
        await platform.start()
        session, other = await platform.session(), await platform.session()
        first = await platform.say(session, self.DANGEROUS)
        asked = await platform.entry(session.id, "approval.requested")
        await self.answer(platform, asked, session, ApprovalChoice.ALWAYS)
        await platform.ended(first)

        second = await platform.ended(await platform.say(other, self.DANGEROUS))

        # Had the agent heard `always`, it would not ask again.
        assert second.state is TurnState.COMPLETED
        entries = await platform.entries(other.id)
        assert "approval.requested" in kinds(entries)
        resolved = next(entry for entry in entries if entry.type == "approval.resolved")
        assert resolved.choice is ApprovalChoice.ALWAYS

    async def test_the_session_scope_answers_later_ones(self, platform: Any) -> None:
        await platform.start()
        session = await platform.session()
        first = await platform.say(session, self.DANGEROUS)
        asked = await platform.entry(session.id, "approval.requested")
        await self.answer(platform, asked, session, ApprovalChoice.SESSION)
        await platform.ended(first)

        second = await platform.ended(await platform.say(session, self.DANGEROUS))

        assert second.state is TurnState.COMPLETED
        entries = [e for e in await platform.entries(session.id) if e.turn_id == second.id]
        assert "approval.requested" in kinds(entries)
        resolved = next(entry for entry in entries if entry.type == "approval.resolved")
        assert resolved.choice is ApprovalChoice.SESSION

    async def test_a_stop_ends_the_wait(self, platform: Any) -> None:
        await platform.start()
        session = await platform.session()
        turn = await platform.say(session, self.DANGEROUS)
        asked = await platform.entry(session.id, "approval.requested")
        request = chat.TurnRequest(owner_id=OWNER, session_id=session.id, turn_id=turn.id)

        await platform.rpc.call(chat.STOP_TURN, request)

        assert (await platform.ended(turn)).state is TurnState.STOPPED
        with pytest.raises(AppError) as refused:
            await self.answer(platform, asked, session, ApprovalChoice.ONCE)
        assert refused.value.code is ErrorCode.APPROVAL_EXPIRED


class TestAttaching:
    async def test_any_number_gives_exactly_the_rest(self, platform: Any) -> None:
        await platform.start()
        session = await platform.session()
        live: dict[int, Any] = {}

        def on_body(body: bytes) -> None:
            for line in body.split(b"\n"):
                entry = chat_entry(line)
                assert entry.seq not in live
                live[entry.seq] = entry

        await platform.journal.follow(chat.session_journal(session.id), on_body)
        await platform.ended(await platform.say(session, "[[tokens:40]][[chunkdelay:0.02]]"))

        last = max(live)
        assert sorted(live) == list(range(1, last + 1))
        for after in range(last + 1):
            rest = await platform.entries(session.id, after)
            assert numbers(rest) == list(range(after + 1, last + 1))
            text = "".join(
                live[n].text for n in sorted(live) if n > after and live[n].type == "text"
            )
            assert "".join(entry.text for entry in rest if entry.type == "text") == text

    async def test_while_it_runs_nothing_falls_between(self, platform: Any) -> None:
        await platform.start()
        session = await platform.session()
        turn = await platform.say(session, SLOW)
        await platform.entry(session.id, "text")
        seen: dict[int, str] = {}

        def on_body(body: bytes) -> None:
            for line in body.split(b"\n"):
                entry = chat_entry(line)
                seen.setdefault(entry.seq, getattr(entry, "text", ""))

        await platform.journal.follow(chat.session_journal(session.id), on_body)
        for entry in await platform.entries(session.id):
            for number in range(entry.seq_from or entry.seq, entry.seq + 1):
                seen.setdefault(number, "")
        await platform.ended(turn)

        last = (await platform.entries(session.id))[-1].seq
        assert sorted(seen) == list(range(1, last + 1))


def chat_entry(line: bytes) -> Any:
    from chat_proxy.model.journal import entry_from_line
    from chat_proxy.service.wire import to_entry

    return to_entry(entry_from_line(line))
