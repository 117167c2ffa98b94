"""No value of a secret in what an agent says, however it comes."""

import base64
import json
from collections.abc import Sequence
from typing import Any, get_args, get_type_hints
from urllib.parse import quote, quote_plus

import pytest
from chat_proxy.adapters.redacting import TEXTS, RedactingAgents, RedactingSession
from chat_proxy.errors import AgentRefusedError
from chat_proxy.model.agent import (
    AgentAddress,
    AgentEvent,
    AgentStatus,
    ApprovalAsk,
    Finished,
    InterimText,
    ReasoningDelta,
    Standing,
    TextDelta,
    ToolCall,
    ToolEnd,
    ToolProgress,
    ToolStart,
    TranscriptMessage,
)
from chat_proxy.model.redaction import RedactedStream, Redactor, forms_of
from chat_proxy.ports import Listener
from hypothesis import given
from hypothesis import strategies as st

NO_WORDS = {"call_id", "name", "code", "last_status"}
VALUE = 'sk-Mark3d/"äö+= &~0123'
SHORT = "s-sk-s-sk"
REDACTOR = Redactor({"API_KEY": VALUE, "OTHER_KEY": SHORT, "LONGER_KEY": SHORT + "-and-more"})


def base64_within(before: bytes, after: bytes) -> str:
    return base64.b64encode(before + VALUE.encode() + after).decode()


WRITTEN = [
    VALUE,
    json.dumps(VALUE),
    json.dumps(VALUE, ensure_ascii=False),
    quote(VALUE, safe=""),
    quote_plus(VALUE),
    VALUE.encode().hex(),
    VALUE.encode().hex().upper(),
    *(base64_within(b"x" * count, b"tail" * count) for count in range(4)),
    *(base64_within(b"user:"[:count], b"") for count in range(4)),
    base64.urlsafe_b64encode(VALUE.encode()).decode(),
]


def leaks(text: str) -> list[str]:
    """The forms of the value that stand in `text`."""
    return [form for form in forms_of(VALUE) if form in text]


class TestText:
    @pytest.mark.parametrize("written", WRITTEN)
    def test_a_value_is_hidden_in_every_form(self, written: str) -> None:
        shown = REDACTOR.text(f"before {written} after")

        assert not leaks(shown)
        assert "[secret API_KEY]" in shown
        assert (shown.startswith("before "), shown.endswith(" after")) == (True, True)

    @pytest.mark.parametrize("length", range(8, len(VALUE)))
    def test_one_that_the_end_cuts_off_is_hidden_too(self, length: int) -> None:
        assert VALUE[:8] not in REDACTOR.text(f"cut: {VALUE[:length]}")

    def test_what_holds_no_value_stays_as_it_is(self) -> None:
        for text in ("", "plain text", "sk-", "[secret API_KEY]", "s-s-s-s"):
            assert REDACTOR.text(text) == text

    def test_json_is_searched_to_its_leaves(self) -> None:
        found = REDACTOR.anything({"a": [VALUE, 1, None, {VALUE: True}], "b": f"x{VALUE}"})

        assert not leaks(json.dumps(found, ensure_ascii=False))
        assert found["a"][1:3] == [1, None]

    def test_a_line_of_a_long_value_is_a_value(self) -> None:
        key = Redactor({"PEM": "-----BEGIN-----\nMIIabcdefghijklmnop\n-----END-----"})

        assert key.text("see MIIabcdefghijklmnop") == "see [secret PEM]"

    @pytest.mark.parametrize(
        ("name", "value", "is_hidden"),
        [
            ("SUPPORT_TEAM", "Blue Harbour", False),
            ("REGION", "production", False),
            ("DB_PASSWORD", "hunters", True),
            ("passphrase", "correct horse battery staple", True),
            ("ACCOUNT", "a1b2c3d4", True),
            ("ENDPOINT", "https://user:pw@host.example", True),
        ],
    )
    def test_a_setting_in_plain_words_is_no_secret(
        self, name: str, value: str, *, is_hidden: bool
    ) -> None:
        assert (Redactor({name: value}).text(f"it is {value}") != f"it is {value}") == is_hidden

    def test_too_short_a_value_is_left_alone(self) -> None:
        assert not Redactor({"PIN": "12345"})


class TestStream:
    @given(
        st.lists(st.sampled_from([*WRITTEN, SHORT, SHORT + "-and-more", "s-", "sk", "text", " "])),
        st.lists(st.integers(0, 40), max_size=60),
    )
    def test_it_shows_what_the_whole_would_however_it_is_cut(
        self, parts: list[str], cuts: list[int]
    ) -> None:
        whole, stream, shown = "".join(parts), RedactedStream(REDACTOR), ""
        rest = whole
        for cut in cuts:
            shown += stream.feed(rest[:cut])
            rest = rest[cut:]
        shown += stream.feed(rest) + stream.end()

        expected, held = REDACTOR.split(whole)
        assert shown == expected + held
        assert not [form for form in forms_of(VALUE) if form in shown]

    def test_text_without_a_beginning_of_a_value_is_never_held(self) -> None:
        stream = RedactedStream(REDACTOR)

        assert [stream.feed(piece) for piece in ("Hello ", "world")] == ["Hello ", "world"]

    def test_one_character_at_a_time(self) -> None:
        stream = RedactedStream(REDACTOR)

        shown = "".join(stream.feed(character) for character in f"the key is {VALUE}.")

        assert shown + stream.end() == "the key is [secret API_KEY]."


class Listens(Listener):
    def __init__(self) -> None:
        self.told: list[AgentEvent] = []

    def on_events(self, events: Sequence[AgentEvent]) -> bool:
        self.told += events
        return True


class SaysEverything:
    """An agent that repeats the value in all that it can say."""

    name, is_fresh = "agent", True
    standing = Standing(running=True, prompt=VALUE, text=f"so far {VALUE}")

    def __init__(self, *batches: Sequence[AgentEvent]) -> None:
        self.batches = list(batches)

    async def listen(self, listener: Listener) -> None:
        for batch in self.batches:
            listener.hear(batch)

    async def answer(self, *, allow: bool) -> bool:
        raise AgentRefusedError(f"no {VALUE}")

    async def transcript(self) -> Sequence[TranscriptMessage]:
        calls = (ToolCall("c", "terminal", {"command": VALUE}),)
        return [
            TranscriptMessage("user", VALUE),
            TranscriptMessage("assistant", VALUE, calls=calls),
            TranscriptMessage("tool", VALUE, call_id="c"),
        ]


def session(*batches: Sequence[AgentEvent]) -> RedactingSession:
    agent: Any = SaysEverything(*batches)
    return RedactingSession(agent, REDACTOR)


async def heard(one: RedactingSession) -> list[AgentEvent]:
    listener = Listens()
    await one.listen(listener)
    return listener.told


class TestSession:
    async def test_a_value_split_over_deltas_is_hidden(self) -> None:
        one = session(
            [TextDelta("it is "), TextDelta(VALUE[:9])],
            [TextDelta(VALUE[9:12])],
            [TextDelta(VALUE[12:]), ReasoningDelta(VALUE[:4])],
            [ReasoningDelta(VALUE[4:] + "!"), TextDelta(" yes s")],
            [Finished(AgentStatus.COMPLETE, f"it is {VALUE} yes s")],
        )

        told = await heard(one)
        text = "".join(event.text for event in told if isinstance(event, TextDelta))
        reasoning = "".join(event.text for event in told if isinstance(event, ReasoningDelta))

        assert text == "it is [secret API_KEY] yes s"
        assert reasoning == "[secret API_KEY]!"
        assert told[-1] == Finished(AgentStatus.COMPLETE, text)

    async def test_a_value_cut_in_two_by_a_lost_connection_is_hidden(self) -> None:
        agent: Any = SaysEverything([TextDelta(f"{VALUE[9:]} no")])
        agent.standing = Standing(running=True, text=f"it is {VALUE[:9]}")
        one = RedactingSession(agent, REDACTOR)

        [told] = await heard(one)

        assert one.standing.text == "it is "
        assert told == TextDelta("[secret API_KEY] no")

    async def test_all_else_it_tells_is_searched(self) -> None:
        one = session(
            [
                ToolStart("c", "terminal", preview=VALUE, arguments={"command": f"echo {VALUE}"}),
                ToolProgress("c", VALUE),
                ToolEnd("c", "terminal", arguments={"a": [VALUE]}, result=f"out {VALUE}"),
                ApprovalAsk(f"rm {VALUE}", VALUE, (), ()),
                InterimText(VALUE, streamed=False),
                Finished(AgentStatus.ERROR, VALUE, warning=VALUE, last_status="x"),
            ]
        )
        told = await heard(one)

        assert len(told) == 6
        assert not leaks(repr(told))

    async def test_what_was_told_before_is_searched_and_the_prompt_is_not(self) -> None:
        one = session()

        transcript = await one.transcript()

        assert transcript[0].text == VALUE
        assert not leaks(repr(transcript[1:]))
        assert not leaks(one.standing.text)
        assert one.standing.prompt == VALUE

    async def test_a_refusal_is_searched(self) -> None:
        with pytest.raises(AgentRefusedError) as refusal:
            await session().answer(allow=True)

        assert not leaks(refusal.value.detail)


class TestTable:
    def test_it_has_every_text_of_every_event(self) -> None:
        texts = {
            kind: {name for name, of in get_type_hints(kind).items() if of is str} - NO_WORDS
            for kind in get_args(AgentEvent)
        }

        assert {kind: set(names) for kind, names in TEXTS.items()} == texts


class TestAgents:
    async def test_without_secrets_nothing_stands_between(self) -> None:
        opened = SaysEverything()

        class Agents:
            async def open(self, *_: Any, **__: Any) -> Any:
                return opened

        agents: Any = Agents()
        for secrets, is_same in (({}, True), ({"A": VALUE}, False)):
            address = AgentAddress("use", "sbx", "u", "t", "w", "d", secrets=secrets)
            found: Any = await RedactingAgents(agents).open(address, None)  # type: ignore[arg-type]  # nobody looks at it
            assert (found is opened) == is_same
        assert VALUE not in repr(address)
