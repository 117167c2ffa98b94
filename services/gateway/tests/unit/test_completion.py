"""What a client of OpenAI's API asks, and what it hears."""

import base64
from itertools import pairwise
from typing import Any

import pytest
from common.errors import InvalidError, TooLargeError
from gateway.model.completion import Asked, CompletionRequest, Said, read
from gateway.model.speech import Speech
from hypothesis import given
from hypothesis import strategies as st

PNG = base64.b64encode(b"\x89PNG").decode()


def asked(*messages: Any, **fields: Any) -> Asked:
    said = [
        {"role": role, "content": content} if isinstance(role, str) else role
        for role, content in messages
    ]
    body = {"model": "acme/tools/pdf", "messages": said, **fields}
    return read(CompletionRequest.model_validate(body))


def user(content: Any) -> tuple[str, Any]:
    return ("user", content)


class TestRead:
    def test_the_last_message_is_asked_and_the_others_went_before(self) -> None:
        found = asked(
            ("system", "Be brief."),
            ("developer", [{"type": "text", "text": "Be kind."}]),
            user("one"),
            ("assistant", "1"),
            ("tool", "ignored"),
            user("two"),
        )

        assert found.prompt == "two"
        assert found.instructions == "Be brief.\n\nBe kind."
        assert found.history == (Said("user", "one"), Said("assistant", "1"))

    def test_fields_that_mean_nothing_here_are_left_alone(self) -> None:
        found = asked(user("hi"), temperature=2, max_tokens=5, tools=[], seed=1, x={"y": 1})

        assert found.prompt == "hi"

    @pytest.mark.parametrize(
        ("stop", "stops"), [(None, ()), ("END", ("END",)), (["a", "", "b"], ("a", "b"))]
    )
    def test_stop_sequences_come_in_two_forms(self, stop: Any, stops: Any) -> None:
        assert asked(user("hi"), stop=stop).stops == stops

    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"n": 2}, "n"),
            ({"tools": [{"type": "function"}]}, "tools"),
            ({"functions": [{}]}, "functions"),
            ({"response_format": {"type": "json_object"}}, "response_format"),
            ({"stop": ["a"] * 5}, "stop"),
        ],
    )
    def test_what_cannot_be_done_is_said(self, fields: Any, param: str) -> None:
        with pytest.raises(InvalidError) as refused:
            asked(user("hi"), **fields)

        assert refused.value.extra["param"] == param

    @pytest.mark.parametrize(
        "messages",
        [
            [("assistant", "hi")],
            [user("")],
            [user(None)],
            [user([{"type": "input_audio", "input_audio": {}}])],
            [user([{"type": "image_url", "image_url": {"url": "https://x/y.png"}}])],
            [user([{"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}}])],
            [user([{"type": "image_url"}])],
        ],
    )
    def test_a_last_message_that_asks_nothing_is_refused(self, messages: Any) -> None:
        with pytest.raises(InvalidError) as refused:
            asked(*messages)

        assert refused.value.extra["param"] == "messages"

    def test_files_inside_the_message_are_attached(self) -> None:
        found = asked(
            user(
                [
                    {"type": "text", "text": "Look"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                    {
                        "type": "file",
                        "file": {
                            "filename": "../../a b.pdf",
                            "file_data": f"data:application/pdf;base64,{PNG}",
                        },
                    },
                ]
            )
        )

        assert found.prompt == "Look"
        assert [one.name for one in found.attached] == ["image-2.png", "a b.pdf"]
        assert found.attached[0].content == b"\x89PNG"
        assert found.attached[0].path == "attached/0f4636c7-image-2.png"

    def test_too_large_a_file_is_refused(self) -> None:
        data = base64.b64encode(b"x" * (4 * 1024 * 1024 + 1)).decode()
        part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}

        with pytest.raises(TooLargeError):
            asked(user([part]))


class TestThread:
    def test_it_is_the_same_when_the_client_comes_back(self) -> None:
        first = asked(("system", "Be brief."), user("one"))

        again = asked(("system", "Be brief."), user("one"), ("assistant", " 1\n"), user("two"))

        assert again.thread == first.thread_after("1")

    @pytest.mark.parametrize(
        "other",
        [
            asked(user("one"), ("assistant", "2"), user("two")),
            asked(user("other"), ("assistant", "1"), user("two")),
            asked(("system", "x"), user("one"), ("assistant", "1"), user("two")),
            asked(user("one"), ("assistant", "1"), user("two"), model="acme/tools/draw"),
        ],
    )
    def test_another_conversation_has_another(self, other: Asked) -> None:
        assert other.thread != asked(user("one")).thread_after("1")

    def test_a_long_history_is_cut(self) -> None:
        said = [user("x" * 10_000)] * 150
        told = asked(*said, user("now")).told

        assert sum(len(one.text) for one in told) == 300_000


class TestSpeech:
    def test_words_are_heard_as_they_come(self) -> None:
        speech = Speech()

        assert [speech.add("Hel"), speech.add("lo."), speech.rest()] == ["Hel", "lo.", ""]
        assert speech.text == "Hello."

    @given(st.lists(st.integers(0, 24), max_size=6))
    def test_a_stop_sequence_ends_it_however_it_is_cut(self, cuts: list[int]) -> None:
        whole = "one two STOP three <end>"
        edges = sorted({0, *cuts, len(whole)})
        speech = Speech(["<end>", "STOP"])

        heard = "".join(speech.add(whole[start:end]) for start, end in pairwise(edges))

        assert heard + speech.rest() == "one two "
        assert speech.is_stopped
        assert speech.text == "one two"

    def test_what_only_begins_like_one_is_heard_in_the_end(self) -> None:
        speech = Speech(["STOP"])

        assert speech.add("an STO") + speech.rest() == "an STO"
        assert not speech.is_stopped

    def test_an_answer_that_starts_over_is_not_heard_again(self) -> None:
        speech = Speech()
        speech.add("Hello from the")
        speech.add("Hello from the")

        assert speech.replace("Hello from the") == ""
        assert speech.add(" model.") == " model."
        assert speech.text == "Hello from the model."

    def test_the_rest_of_a_longer_answer_is_heard(self) -> None:
        speech = Speech()
        speech.add("Hello")

        assert speech.replace("Hello, Ada.") == ", Ada."

    def test_other_words_are_heard_after_the_wrong_ones(self) -> None:
        speech = Speech()
        speech.add("Before. ")
        speech.tool()
        speech.add("Wrong")

        assert speech.replace("Right") == "\n\nRight"
        assert speech.text == "Before. Right"
