"""Tokens are read from what the provider says, however it is cut into pieces."""

import json
from itertools import pairwise

import pytest
from chat_proxy.relay.usage import Meter, Tokens
from hypothesis import given
from hypothesis import strategies as st


def event(body: object) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


DELTA = event({"choices": [{"index": 0, "delta": {"content": "word "}}], "usage": None})
USAGE = event({"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 34}})
DONE = b"data: [DONE]\n\n"
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
