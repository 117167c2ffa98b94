"""The form of a log line, and what never stands on one."""

import json
import logging
import sys

import pytest
from common.telemetry.logs import JsonFormatter, TerminalFormatter, without_secrets
from common.telemetry.tracing import span
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

KEY = "sk-or-v1-0123456789abcdef0123456789"
LEAKS = (
    f"Authorization: Bearer {KEY}",
    f"the provider refused {KEY} with 401",
    "mongodb://tryskills:hunter2hunter2@mongo/db is away",
    "GET wss://8642-x.proxy.example/api/ws?token=abcdef123456&x=1",
    'asked with {"api_key": "abcdef123456"}',
    "ghp_abcdefghijklmnop1234",
)
SECRETS = (KEY, "hunter2hunter2", "abcdef123456", "ghp_abcdefghijklmnop1234")
HARMLESS = (
    "token limits of sk-learn and 12 tokens: fine",
    "rpc.keys.resolve_owner.v1 failed after 3 s",
    "password: short",
)


class TestJsonFormatter:
    def test_a_record_is_one_line_of_json_with_its_extra(self) -> None:
        record = logging.makeLogRecord(
            {"name": "keys", "levelname": "INFO", "msg": "put %s", "args": ("x",), "owner_id": "o"}
        )

        line = json.loads(JsonFormatter("keys").format(record))

        assert (line["service"], line["level"], line["message"]) == ("keys", "info", "put x")
        assert line["owner_id"] == "o"
        assert "trace_id" not in line

    def test_an_exception_stays_on_the_line(self) -> None:
        try:
            int("a\nb")
        except ValueError:
            record = logging.makeLogRecord({"exc_info": sys.exc_info(), "msg": "failed"})

        text = JsonFormatter("keys").format(record)

        assert "\n" not in text
        assert "ValueError" in json.loads(text)["exception"]

    def test_a_line_names_the_trace_and_the_span_it_was_written_in(
        self, spans: InMemorySpanExporter
    ) -> None:
        with span("work"):
            line = json.loads(JsonFormatter("keys").format(logging.makeLogRecord({})))

        (written_in,) = spans.get_finished_spans()
        assert line["trace_id"] == f"{written_in.context.trace_id:032x}"
        assert line["span_id"] == f"{written_in.context.span_id:016x}"

    @pytest.mark.parametrize("text", LEAKS)
    def test_a_credential_does_not_get_out_in_any_field(self, text: str) -> None:
        record = logging.makeLogRecord({"msg": text, "reason": text})

        line = JsonFormatter("keys").format(record)

        assert not any(secret in line for secret in SECRETS)
        assert set(json.loads(line)) > {"message", "reason"}

    @pytest.mark.parametrize("text", HARMLESS)
    def test_what_is_no_credential_is_left_alone(self, text: str) -> None:
        assert without_secrets(text) == text


class TestTerminalFormatter:
    def test_a_person_reads_one_short_line(self) -> None:
        record = logging.makeLogRecord({"msg": "serving", "levelname": "WARNING", "port": 8000})

        text = TerminalFormatter("gateway").format(record)

        assert "gateway" in text
        assert "serving" in text
        assert "port=8000" in text
        assert "{" not in text
