"""The owner's model stands in every request, whatever the sandbox asked for."""

import json

import pytest
from chat_proxy.relay.errors import RefusedError
from chat_proxy.relay.request import for_model
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

        assert for_model(body, "m") == (body, False)

    @given(st.dictionaries(st.text(), JSON))
    def test_nothing_but_the_model_changes(self, asked: dict[str, object]) -> None:
        body, _ = for_model(json.dumps(asked).encode(), "the-owners")

        assert json.loads(body) == {**asked, "model": "the-owners"}

    @pytest.mark.parametrize(("stream", "wanted"), [(True, True), (False, False), (1, False)])
    def test_it_says_whether_a_stream_is_wanted(self, stream: object, wanted: bool) -> None:  # noqa: FBT001 (a row of the table)
        assert for_model(json.dumps({"stream": stream}).encode(), "m")[1] is wanted

    def test_half_a_character_passes(self) -> None:
        body, _ = for_model(b'{"text": "\\ud83d"}', "m")

        assert b"\\ud83d" in body

    @pytest.mark.parametrize("body", [b"", b"x", b"[]", b'"a"', b"{", b"\xff", b"[" * 100_000])
    def test_what_is_no_object_is_refused(self, body: bytes) -> None:
        with pytest.raises(RefusedError) as error:
            for_model(body, "m")

        assert (error.value.status, error.value.code) == (400, "invalid_request")
