"""The form of a log line."""

import json
import logging
import sys

from common.telemetry import JsonFormatter


class TestJsonFormatter:
    def test_a_record_is_one_line_of_json_with_its_extra(self) -> None:
        record = logging.makeLogRecord(
            {"name": "keys", "levelname": "INFO", "msg": "put %s", "args": ("x",), "owner_id": "o"}
        )

        line = json.loads(JsonFormatter("keys").format(record))

        assert (line["service"], line["level"], line["message"]) == ("keys", "info", "put x")
        assert line["owner_id"] == "o"

    def test_an_exception_stays_on_the_line(self) -> None:
        try:
            int("a\nb")
        except ValueError:
            record = logging.makeLogRecord({"exc_info": sys.exc_info(), "msg": "failed"})

        text = JsonFormatter("keys").format(record)

        assert "\n" not in text
        assert "ValueError" in json.loads(text)["exception"]
