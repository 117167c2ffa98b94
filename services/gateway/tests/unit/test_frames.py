import json
from datetime import UTC, datetime
from typing import Any

import pytest
from common.contracts.chat import Text, ToolStarted, TurnEnded
from common.contracts.sandbox import LaunchEnded, LaunchState, PhaseName, PhaseStarted
from gateway.model.frames import Frame, encode, encode_error, frame_of
from hypothesis import given
from hypothesis import strategies as st

AT = datetime(2026, 1, 1, tzinfo=UTC)
TRICKS = st.text(alphabet='"\\{}:,\n\r seqtype0123456789\u2028é', max_size=40)


class TestFrameOf:
    @given(text=TRICKS, seq=st.integers(1, 2**53), seq_from=st.none() | st.integers(1, 2**53))
    def test_a_sessions_line_keeps_its_bytes_and_gives_its_numbers(
        self, text: str, seq: int, seq_from: int | None
    ) -> None:
        entry = Text(seq=seq, seq_from=seq_from, at=AT, turn_id="tur_" + "a" * 20, text=text)
        line = entry.model_dump_json().encode()

        frame = frame_of(line)

        assert frame == Frame(seq if seq_from is None else seq_from, seq, b"text", line)

    @given(arguments=st.dictionaries(TRICKS, TRICKS | st.integers(), max_size=4))
    def test_what_is_nested_does_not_count(self, arguments: dict[str, Any]) -> None:
        entry = ToolStarted(
            seq=7,
            at=AT,
            turn_id="t",
            call_id="c",
            name="n",
            arguments={"seq": 1, "type": "x", **arguments},
        )

        frame = frame_of(entry.model_dump_json().encode())

        assert frame is not None
        assert (frame.first, frame.last, frame.type) == (7, 7, b"tool.started")

    @pytest.mark.parametrize(
        "entry",
        [
            PhaseStarted(seq=3, at=AT, phase=PhaseName.UPLOAD),
            LaunchEnded(seq=3, at=AT, state=LaunchState.READY, path=None),
            TurnEnded(seq=3, at=AT, turn_id="t", state="completed"),
        ],
    )
    def test_every_journal_is_read(self, entry: PhaseStarted | LaunchEnded | TurnEnded) -> None:
        frame = frame_of(entry.model_dump_json().encode())

        assert frame is not None
        assert (frame.last, frame.type) == (3, entry.type.encode())

    @given(order=st.permutations(["seq", "seq_from", "type", "text", "at"]))
    def test_another_order_of_fields_is_read_too(self, order: list[str]) -> None:
        facts = {"seq": 9, "seq_from": 5, "type": "text", "text": "x", "at": "now"}
        line = json.dumps({name: facts[name] for name in order}).encode()

        frame = frame_of(line)

        assert frame is not None
        assert (frame.first, frame.last, frame.type) == (5, 9, b"text")

    @given(line=st.binary(max_size=60))
    def test_what_is_no_entry_is_none_and_never_an_error(self, line: bytes) -> None:
        assert frame_of(line) is None


class TestEncode:
    def test_an_event_has_id_type_and_data(self) -> None:
        frames = [Frame(1, 1, b"text", b'{"a":1}'), Frame(2, 4, b"usage", b"{}")]

        assert encode(frames) == (
            b'id: 1\nevent: text\ndata: {"a":1}\n\nid: 4\nevent: usage\ndata: {}\n\n'
        )

    def test_a_line_break_in_a_text_does_not_break_the_event(self) -> None:
        entry = Text(seq=1, at=AT, turn_id="t", text="a\r\nid: 99\n\nb")
        frame = frame_of(entry.model_dump_json().encode())
        assert frame is not None

        lines = encode([frame]).splitlines()

        assert len(lines) == 4
        assert json.loads(lines[2].removeprefix(b"data: "))["text"] == entry.text

    def test_a_line_spread_over_several_is_put_on_one(self) -> None:
        frame = frame_of(b'{\n "seq": 3,\n "type": "text"\n}')
        assert frame is not None

        assert encode([frame]).count(b"\n") == 4

    def test_an_error_has_no_id_so_the_last_number_stays(self) -> None:
        assert b"id:" not in encode_error({"code": "slow_viewer"})
