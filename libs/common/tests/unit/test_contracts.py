"""What every message on the wire promises."""

from datetime import UTC, datetime
from typing import Any

import pytest
from common.contracts import chat, keys, operating, relay, sandbox, skills
from common.contracts.base import Request, Rpc
from common.contracts.events import EVENTS, SANDBOX_CREATED, Event, SandboxChanged
from common.ids import new_id
from pydantic import SecretStr, TypeAdapter, ValidationError

OWNER = new_id("own")
RPCS = [
    value
    for module in (chat, keys, operating, relay, sandbox, skills)
    for value in vars(module).values()
    if isinstance(value, Rpc)
]


class TestRpcs:
    def test_subjects_are_unique(self) -> None:
        subjects = [rpc.subject for rpc in RPCS]

        assert len(subjects) == len(set(subjects))

    @pytest.mark.parametrize("rpc", RPCS, ids=lambda rpc: rpc.subject)
    def test_a_subject_names_service_verb_and_version(self, rpc: Rpc[Any, Any]) -> None:
        prefix, service, verb, version = rpc.subject.split(".")

        assert (prefix, version) == ("rpc", "v1")
        assert service in {"keys", "skill-resolver", "sandbox-manager", "chat-proxy", "relay"}
        assert verb.replace("_", "").isalpha()

    @pytest.mark.parametrize("rpc", RPCS, ids=lambda rpc: rpc.subject)
    def test_requests_refuse_unknown_fields_and_replies_tolerate_them(
        self, rpc: Rpc[Any, Any]
    ) -> None:
        assert issubclass(rpc.request, Request)
        assert rpc.request.model_config["extra"] == "forbid"
        assert rpc.reply.model_config["extra"] == "ignore"


class TestSecrets:
    def test_a_secret_is_whole_on_the_wire_and_hidden_elsewhere(self) -> None:
        request = keys.PutSecret(owner_id=OWNER, name="A_KEY", value=SecretStr("s3cret"))

        assert "s3cret" in request.model_dump_json()
        assert "s3cret" not in repr(request)
        assert "s3cret" not in str(request.model_dump())


class TestEvents:
    @pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.subject)
    def test_a_subject_names_entity_past_tense_and_version(self, event: Event[Any]) -> None:
        prefix, _, verb, version = event.subject.split(".")

        assert (prefix, version) == ("evt", "v1")
        assert verb.endswith("ed") or verb == "put"

    def test_an_event_is_a_cloud_event(self) -> None:
        data = SandboxChanged(owner_id=OWNER, sandbox_id="s", state="active")

        event = SANDBOX_CREATED.of(data, entity_id="s", at=datetime(2026, 1, 1, tzinfo=UTC))

        assert event.body == {
            "specversion": "1.0",
            "id": event.id,
            "source": "/tryskills/sandbox-manager",
            "type": "sandbox.created.v1",
            "subject": "s",
            "time": "2026-01-01T00:00:00.000000Z",
            "datacontenttype": "application/json",
            "dataschema": "urn:tryskills:schema:sandbox.created.v1",
            "data": {"owner_id": OWNER, "sandbox_id": "s", "state": "active", "reason": ""},
        }


class TestJournalEntries:
    def test_an_entry_is_read_by_its_type(self) -> None:
        line = b'{"type":"text","seq":3,"at":"2026-01-01T00:00:00Z","turn_id":"t","text":"hi"}'
        entry = TypeAdapter[chat.JournalEntry](chat.JournalEntry).validate_json(line)

        assert isinstance(entry, chat.Text)
        assert (entry.seq, entry.seq_from, entry.text) == (3, None, "hi")

    def test_an_unknown_type_is_refused(self) -> None:
        line = b'{"type":"song","seq":3,"at":"2026-01-01T00:00:00Z","turn_id":"t"}'

        with pytest.raises(ValidationError):
            TypeAdapter[chat.JournalEntry](chat.JournalEntry).validate_json(line)
