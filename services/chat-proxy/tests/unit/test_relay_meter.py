"""Tokens are read from what the provider says, however it is cut into pieces."""

import json
from itertools import pairwise

import pytest
from chat_proxy.model.usage import Tokens
from chat_proxy.relay.meter import Flaw, Meter
from hypothesis import given
from hypothesis import strategies as st


def event(body: object) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


DELTA = event({"choices": [{"index": 0, "delta": {"content": "word "}}], "usage": None})
USAGE = event({"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 34}})
DONE = b"data: [DONE]\n\n"
FINISH = event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
FAILED = event({"error": {"message": "upstream exploded"}})
STREAM = DELTA * 40 + USAGE + DONE


def fed(data: bytes, cuts: list[int], *, is_stream: bool = True) -> Meter:
    meter = Meter(request_bytes=400, is_stream=is_stream)
    edges = sorted({0, *cuts, len(data)})
    for start, end in pairwise(edges):
        meter.feed(data[start:end])
    return meter


class TestStream:
    @given(st.lists(st.integers(0, len(STREAM)), max_size=30))
    def test_usage_is_found_wherever_the_stream_is_cut(self, cuts: list[int]) -> None:
        assert fed(STREAM, cuts).tokens() == Tokens(12, 34)

    def test_the_last_word_counts(self) -> None:
        first = event({"usage": {"prompt_tokens": 1, "completion_tokens": 1}})

        assert fed(first + USAGE, []).tokens() == Tokens(12, 34)

    def test_a_long_answer_keeps_only_its_end(self) -> None:
        assert fed(DELTA * 20_000 + USAGE, list(range(0, 1_000_000, 4096))).tokens().total == 46

    def test_lines_may_end_as_in_http(self) -> None:
        assert fed(STREAM.replace(b"\n", b"\r\n"), []).tokens() == Tokens(12, 34)

    @pytest.mark.parametrize(
        "end", [b"", DONE, event({"usage": None}), event({"usage": {}}), b'data: {"usage": {"pro']
    )
    def test_without_usage_it_is_estimated(self, end: bytes) -> None:
        tokens = fed(DELTA * 50 + end, []).tokens()

        assert tokens.is_estimated
        assert (tokens.input, 50 <= tokens.output <= 52) == (100, True)

    @pytest.mark.parametrize("count", [-5, 1.5, "7", None])
    def test_nonsense_counts_for_nothing(self, count: object) -> None:
        usage = {"prompt_tokens": 3, "completion_tokens": count}
        tokens = fed(event({"usage": usage}), []).tokens()

        assert tokens == Tokens(3, 0)


class TestWholeAnswer:
    def test_usage_is_read(self) -> None:
        body = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 6}}

        assert fed(json.dumps(body).encode(), [7, 20], is_stream=False).tokens() == Tokens(5, 6)

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"choices": []}'])
    def test_anything_else_is_estimated(self, body: bytes) -> None:
        tokens = fed(body, [], is_stream=False).tokens()

        assert tokens == Tokens(100, len(body) // 4, is_estimated=True)


class TestEnd:
    @given(st.lists(st.integers(0, len(STREAM)), max_size=30))
    def test_the_last_word_is_noticed_wherever_the_stream_is_cut(self, cuts: list[int]) -> None:
        assert fed(STREAM, cuts).is_said
        assert not fed(STREAM.removesuffix(DONE), []).is_said

    def test_the_last_word_inside_an_answer_is_text(self) -> None:
        said = event({"choices": [{"delta": {"content": "\n\ndata: [DONE]\n\n"}}]})

        assert not fed(said, []).is_said

    @given(st.lists(st.integers(0, len(DELTA + FAILED)), max_size=9))
    def test_an_error_is_noticed_before_the_end_wherever_it_is_cut(self, cuts: list[int]) -> None:
        assert fed(DELTA + FAILED, cuts).is_said

    def test_no_error_is_none(self) -> None:
        assert not fed(event({"error": None, "choices": []}), []).is_said

    @pytest.mark.parametrize("end", [DONE, FINISH, FINISH + USAGE, USAGE + DONE])
    def test_an_answer_with_a_reason_or_a_last_word_is_whole(self, end: bytes) -> None:
        assert fed(DELTA * 3 + end, []).flaw() is None

    @pytest.mark.parametrize("end", [b"", USAGE, b"<html>gone</html>", b'data: {"cho'])
    def test_any_other_end_is_a_cut(self, end: bytes) -> None:
        assert fed(DELTA * 3 + end, []).flaw() == (Flaw.CUT, "")

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            ({"message": "upstream exploded", "code": 502}, "upstream exploded"),
            ("overloaded", "overloaded"),
            ({"code": 500}, ""),
        ],
    )
    def test_an_error_event_is_told_in_its_words(self, error: object, words: str) -> None:
        assert fed(DELTA + event({"error": error}) + DONE, []).flaw() == (Flaw.ERROR, words)

    @pytest.mark.parametrize(
        ("reason", "flaw"), [("length", Flaw.TOO_LONG), ("content_filter", Flaw.FILTERED)]
    )
    def test_an_answer_that_was_stopped_is_said(self, reason: str, flaw: Flaw) -> None:
        end = event({"choices": [{"delta": {}, "finish_reason": reason}]}) + USAGE + DONE

        assert fed(DELTA + end, []).flaw() == (flaw, "")
