"""Names of models, whatever a provider's list looks like."""

import json

import pytest
from chat_proxy.relay.listing import MOST_MODELS, names_in


class TestNames:
    def test_ids_are_sorted_and_said_once(self) -> None:
        body = {"data": [{"id": "b"}, {"id": "models/a"}, {"id": "b"}]}

        assert names_in(json.dumps(body).encode()) == ["a", "b"]

    @pytest.mark.parametrize(
        "body", [b"", b"<html>", b"null", b"3", b'{"data": {"id": "a"}}', b'{"data": [1, null]}']
    )
    def test_what_is_no_list_has_none(self, body: bytes) -> None:
        assert names_in(body) == []

    @pytest.mark.parametrize("name", ["", "a\nb", "x" * 201, 7, None])
    def test_what_is_no_name_is_left_out(self, name: object) -> None:
        assert names_in(json.dumps([{"id": name}, {"id": "a"}]).encode()) == ["a"]

    def test_there_are_not_more_than_a_message_carries(self) -> None:
        body = [{"id": f"model-{number}"} for number in range(MOST_MODELS + 5)]

        assert len(names_in(json.dumps(body).encode())) == MOST_MODELS
