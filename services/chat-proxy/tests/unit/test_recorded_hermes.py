"""What a real Hermes 0.19.0 sent, recorded, and what becomes of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from chat_proxy.adapters.hermes.transcript import to_message
from chat_proxy.adapters.hermes.translate import Translator
from chat_proxy.model.agent import (
    AgentEvent,
    ApprovalAsk,
    Finished,
    Note,
    ReasoningDelta,
    TextDelta,
    Tokens,
    ToolEnd,
    ToolStart,
)
from chat_proxy.model.journal import Answer
from chat_proxy.service.outcome import Outcome
from chat_proxy.service.scribe import Scribe
from chat_proxy.service.wire import to_entry
from common.contracts.chat import TurnState
from common.errors import ErrorCode

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> list[dict[str, Any]]:
    lines = (RECORDED / f"{name}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def translated(name: str) -> list[AgentEvent]:
    translator = Translator()
    events = [translator.translate(one["type"], one["payload"]) for one in recorded(name)]
    return [event for event in events if event is not None]


def told(name: str, make_writer: Any, skill: Any) -> tuple[Answer, Outcome]:
    """The journal of a recorded turn, up to its first end, and how it ends."""
    writer = make_writer()
    scribe = Scribe(writer, skill)
    for event in translated(name):
        scribe.write(event)
        if isinstance(event, Finished):
            break
    assert scribe.finished is not None
    outcome = scribe.outcome(scribe.finished)
    writer.add("notice", text="the end")
    return writer.answer, outcome


class TestTranslation:
    def test_reasoning_text_and_tools_keep_their_facts(self) -> None:
        events = translated("tool_with_reasoning")

        reasoning = "".join(one.text for one in events if isinstance(one, ReasoningDelta))
        assert reasoning == "deep thought heredeep thought here"
        start = next(one for one in events if isinstance(one, ToolStart))
        assert (start.name, start.preview) == ("terminal", "Running echo hi")
        assert start.arguments == {"command": "echo hi"}
        end = next(one for one in events if isinstance(one, ToolEnd))
        assert (end.call_id, end.result, end.error) == (start.call_id, "hi", False)

    def test_decoration_is_dropped(self) -> None:
        text = [one.text for one in translated("plain") if isinstance(one, TextDelta)]

        assert "".join(text) == "Hello from the scripted model, token by token."
        assert not [one for one in translated("plain") if isinstance(one, Note)]

    def test_a_request_for_approval_keeps_the_agents_rules(self) -> None:
        asked = next(one for one in translated("approval_once") if isinstance(one, ApprovalAsk))

        assert asked.command == "rm -rf junk/a"
        assert asked.rules == ("recursive delete",)
        assert asked.choices == ("once", "session", "always", "deny")

    def test_a_refused_command_is_an_error(self) -> None:
        end = next(one for one in translated("approval_deny") if isinstance(one, ToolEnd))

        assert end.error
        assert end.result.startswith("BLOCKED: Command denied by user.")

    def test_tokens_are_counted_from_one_turn_to_the_next(self) -> None:
        ends = [one for one in translated("background_process") if isinstance(one, Finished)]

        assert [end.tokens for end in ends] == [
            Tokens(input=200, output=40, total=240, calls=2),
            Tokens(input=100, output=20, total=120, calls=1),
        ]

    def test_something_newer_is_said_once(self) -> None:
        translator = Translator()

        first = translator.translate("hologram.delta", {"text": "x"})
        again = translator.translate("hologram.delta", {"text": "y"})

        assert isinstance(first, Note)
        assert first.code == "unknown"
        assert again is None

    def test_half_a_character_does_not_break_the_journal(self) -> None:
        event = Translator().translate("message.delta", {"text": "caf\ud83d"})

        assert isinstance(event, TextDelta)
        assert event.text.encode() == b"caf?"


class TestOutcome:
    @pytest.mark.parametrize(
        ("name", "state", "code"),
        [
            ("plain", TurnState.COMPLETED, None),
            ("tool_with_reasoning", TurnState.COMPLETED, None),
            ("several_tools", TurnState.COMPLETED, None),
            ("execute_code", TurnState.COMPLETED, None),
            ("broken_once", TurnState.COMPLETED, None),
            ("stopped_in_text", TurnState.STOPPED, None),
            ("stopped_in_tool", TurnState.STOPPED, None),
            ("stopped_in_approval", TurnState.STOPPED, None),
            ("error_401", TurnState.FAILED, ErrorCode.PROVIDER_AUTH),
            ("error_402", TurnState.FAILED, ErrorCode.PROVIDER_CREDIT),
            ("error_429", TurnState.FAILED, ErrorCode.PROVIDER_RATE_LIMIT),
            ("error_500", TurnState.FAILED, ErrorCode.PROVIDER_ERROR),
            ("error_content", TurnState.FAILED, ErrorCode.PROVIDER_ERROR),
            ("error_context", TurnState.FAILED, ErrorCode.PROVIDER_ERROR),
            ("broken_for_good", TurnState.FAILED, ErrorCode.PROVIDER_ERROR),
            ("cut_at_length", TurnState.FAILED, ErrorCode.PROVIDER_ERROR),
            ("empty", TurnState.FAILED, ErrorCode.EMPTY_ANSWER),
        ],
    )
    def test_each_ending_has_its_state_and_code(
        self, name: str, state: TurnState, code: ErrorCode | None, make_writer: Any, skill: Any
    ) -> None:
        _, outcome = told(name, make_writer, skill)

        assert outcome.state is state
        assert (outcome.error.code if outcome.error else None) is code

    def test_the_providers_words_reach_the_user(self, make_writer: Any, skill: Any) -> None:
        _, outcome = told("error_402", make_writer, skill)

        assert outcome.error is not None
        assert "Insufficient credits" in outcome.error.detail


class TestText:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("plain", "Hello from the scripted model, token by token."),
            ("broken_once", "Hello from the scripted model, token by token."),
            ("tool_with_reasoning", "Let me look.\n\nAll done **now**."),
            ("several_tools", "ran"),
            ("error_401", ""),
        ],
    )
    def test_the_answer_is_shown_once_and_whole(
        self, name: str, text: str, make_writer: Any, skill: Any
    ) -> None:
        answer, _ = told(name, make_writer, skill)

        assert answer.text == text

    @pytest.mark.parametrize("name", sorted(path.stem for path in RECORDED.glob("*.jsonl")))
    def test_every_entry_is_of_the_contract(self, name: str, make_writer: Any, skill: Any) -> None:
        answer, _ = told(name, make_writer, skill)

        entries = [to_entry(entry) for entry in answer.after(0)]
        assert [entry.type for entry in entries] == [one.type for one in answer.segments]
        numbers = [n for e in entries for n in range(e.seq_from or e.seq, e.seq + 1)]
        assert numbers == list(range(1, answer.seq + 1))


class TestTranscript:
    def test_calls_results_and_ends_are_read(self) -> None:
        stored = json.loads((RECORDED / "transcript.json").read_text())

        user, asked, result, end = [to_message(message) for message in stored]

        assert user.role == "user"
        assert (asked.text, asked.calls[0].name) == ("first", "terminal")
        assert asked.calls[0].arguments == {"command": "sleep 2; echo done"}
        assert (result.call_id, result.text) == (asked.calls[0].call_id, "done")
        assert (end.text, end.finish) == ("the end", "stop")
