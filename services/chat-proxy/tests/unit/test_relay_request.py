"""The owner's model stands in every request, and the conversation it belongs to is read."""

import json

import pytest
from chat_proxy.relay.errors import RefusedError
from chat_proxy.relay.request import asked_in
from hypothesis import given
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


class TestForModel:
    def test_a_request_for_that_model_is_left_alone(self) -> None:
        body = b'{ "model":"m",  "messages":[] }'

        assert asked_in(body).for_model("m") == body

    @given(st.dictionaries(st.text(), JSON))
    def test_nothing_but_the_model_changes(self, asked: dict[str, object]) -> None:
        body = asked_in(json.dumps(asked).encode()).for_model("the-owners")

        assert json.loads(body) == {**asked, "model": "the-owners"}

    @pytest.mark.parametrize(("stream", "wanted"), [(True, True), (False, False), (1, False)])
    def test_it_says_whether_a_stream_is_wanted(self, stream: object, wanted: bool) -> None:  # noqa: FBT001 (a row of the table)
        assert asked_in(json.dumps({"stream": stream}).encode()).is_stream is wanted

    def test_half_a_character_passes(self) -> None:
        body = asked_in(b'{"text": "\\ud83d"}').for_model("m")

        assert b"\\ud83d" in body

    @pytest.mark.parametrize("body", [b"", b"x", b"[]", b'"a"', b"{", b"\xff", b"[" * 100_000])
    def test_what_is_no_object_is_refused(self, body: bytes) -> None:
        with pytest.raises(RefusedError) as error:
            asked_in(body)

        assert (error.value.status, error.value.code) == (400, "invalid_request")


SESSION = "ses_" + "1" * 20
PROMPT = f"You are Hermes.\nCurrent working directory: /home/daytona/work/{SESSION}\n\nHost: x"


def named(*messages: object) -> str | None:
    return asked_in(json.dumps({"messages": messages}).encode()).session_id


class TestSession:
    @pytest.mark.parametrize("content", [PROMPT, [{"type": "text", "text": PROMPT}]])
    def test_the_working_directory_in_the_system_prompt_names_it(self, content: object) -> None:
        assert named({"role": "system", "content": content}, {"role": "user"}) == SESSION

    @pytest.mark.parametrize(
        "content",
        [
            "",
            None,
            7,
            "Current working directory: /home/daytona/work",
            f"Current working directory: /home/daytona/work/{SESSION}more",
            f"Look at /home/daytona/work/{SESSION}",
        ],
    )
    def test_any_other_prompt_names_none(self, content: object) -> None:
        assert named({"role": "system", "content": content}) is None

    def test_what_a_user_writes_names_none(self) -> None:
        assert named({"role": "user", "content": PROMPT}) is None
        assert (
            named({"role": "system", "content": "x"}, {"role": "system", "content": PROMPT})
            is None
        )

    @pytest.mark.parametrize("messages", [None, 5, {}, [], ["x"]])
    def test_nonsense_names_none(self, messages: object) -> None:
        assert asked_in(json.dumps({"messages": messages}).encode()).session_id is None
