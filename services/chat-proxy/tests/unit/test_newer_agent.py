"""Whatever an agent sends, every entry is one of the contract, and none is larger than a message:
what this version does not know becomes a notice.
"""

import json
from typing import Any

import pytest
from chat_proxy.adapters.hermes.conversation import HermesConversation
from chat_proxy.adapters.hermes.translate import _NOTES, _SILENT, _TABLE, Translator
from chat_proxy.model.agent import ApprovalAsk, Finished, Note, Tokens, ToolEnd
from chat_proxy.model.journal import Entry
from chat_proxy.service.scribe import Scribe
from chat_proxy.service.wire import to_entry
from common.contracts.chat import Notice
from common.testing.fakes import START
from hypothesis import given
from hypothesis import strategies as st

TYPES = sorted({*_TABLE, *_NOTES, *_SILENT, "subagent.step", "something.new"})
FIELDS = (
    "args",
    "args_text",
    "already_streamed",
    "choices",
    "command",
    "context",
    "description",
    "duration_s",
    "findings",
    "goal",
    "kind",
    "message",
    "name",
    "pattern_key",
    "pattern_keys",
    "result",
    "risk",
    "status",
    "text",
    "tool_id",
    "usage",
    "warning",
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
PAYLOADS = st.dictionaries(st.sampled_from(FIELDS), VALUES) | VALUES
LARGEST = 256 * 1024
HUGE = "\x01" * 5_000_000


def assert_fits(writer: Any) -> None:
    for entry in writer.answer.after(0):
        wire = to_entry(entry)
        is_known = not isinstance(wire, Notice) or entry.type == "notice"
        assert is_known, (entry, wire)
        json.dumps(json.loads(entry.line()), allow_nan=False)


class TestAnything:
    @pytest.mark.parametrize("type_", TYPES)
    def test_becomes_entries_of_the_contract(
        self, type_: str, make_writer: Any, skill: Any
    ) -> None:
        @given(payload=PAYLOADS)
        def sent(payload: Any) -> None:
            writer = make_writer()
            scribe = Scribe(writer, skill)
            event = Translator().translate(type_, payload)
            if isinstance(event, Finished):
                scribe.outcome(event)
            elif event is not None and not isinstance(event, ApprovalAsk):
                scribe.write(event)
            writer.add("notice", text="the end")
            assert_fits(writer)

        sent()

    @pytest.mark.parametrize("payload", [None, [], "text", 7])
    def test_a_payload_of_another_form_is_said_once(self, payload: Any) -> None:
        translator = Translator()

        first = translator.translate("message.delta", payload)
        second = translator.translate("message.delta", payload)

        assert isinstance(first, Note)
        assert (first.code, second) == ("unknown", None)

    def test_a_message_of_another_form_is_passed_over(self) -> None:
        conversation = HermesConversation(transcript=_nothing, on_rest=_nothing)

        conversation.on_batch([{}, {"type": ["x"], "payload": 3}], 10)

        assert conversation.is_usable is False

    def test_a_strange_end_is_an_end(self) -> None:
        payload = {"text": "x", "status": ["?"], "usage": {"total": float("nan"), "input": "1"}}

        event = Translator().translate("message.complete", payload)

        assert isinstance(event, Finished)
        assert event.tokens == Tokens()

    def test_numbers_that_json_has_not_are_words(self) -> None:
        payload = {"tool_id": "c", "args": {"a": float("nan"), "b": [float("inf")]}}

        event = Translator().translate("tool.complete", payload)

        assert isinstance(event, ToolEnd)
        assert event.arguments == {"a": "NaN", "b": ["Infinity"]}


class TestNewerWriter:
    def test_an_entry_of_a_newer_version_is_shown_as_a_notice_with_its_numbers(self) -> None:
        entry = Entry(9, START, "tur_1", "tool.dreamed", {"of": "sheep"}, seq_from=7)

        told = to_entry(entry)

        assert isinstance(told, Notice)
        assert (told.seq_from, told.seq, told.code) == (7, 9, "unknown")


class TestHuge:
    @pytest.mark.parametrize("type_", TYPES)
    def test_no_entry_is_larger_than_a_message(
        self, type_: str, make_writer: Any, skill: Any
    ) -> None:
        huge: dict[str, Any] = dict.fromkeys(FIELDS, HUGE)
        writer = make_writer()
        scribe = Scribe(writer, skill)

        event = Translator().translate(type_, {**huge, "args": {"a": HUGE}})
        if isinstance(event, Finished):
            scribe.outcome(event)
        elif event is not None and not isinstance(event, ApprovalAsk):
            scribe.write(event)
        writer.add("notice", text="the end")

        told = [entry.line() for entry in writer.answer.after(0)]
        assert max(map(len, told)) < LARGEST
        assert_fits(writer)

    def test_what_a_turn_may_hold_counts_everything(self, make_writer: Any, skill: Any) -> None:
        writer = make_writer()
        scribe = Scribe(writer, skill)
        number = 0

        while not writer.answer.is_full:
            number += 1
            scribe.write(ToolEnd(f"call-{number}", "terminal", result="x" * 8000))

        stored = sum(len(entry.line()) for entry in writer.answer.after(0))
        assert stored < 14 * 1024 * 1024


async def _nothing(_: Any) -> Any:
    return ()
