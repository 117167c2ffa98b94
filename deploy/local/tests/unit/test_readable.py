"""What `make logs` shows on a terminal."""

import json

from local_platform.stack.readable import readable

LINE = {
    "time": "2026-01-01T10:20:30.123+00:00",
    "level": "warning",
    "service": "keys",
    "logger": "keys.main",
    "message": "NATS: disconnected",
    "trace_id": "abc",
}


class TestReadable:
    def test_a_service_is_read_as_time_name_message_and_facts(self) -> None:
        text = readable(json.dumps(LINE))

        assert text.split() == [
            *("10:20:30.123", "keys", "WARNING", "NATS:", "disconnected", "trace_id=abc")
        ]

    def test_an_exception_keeps_its_lines(self) -> None:
        text = readable(json.dumps({**LINE, "exception": "Traceback\n  boom"}))

        assert text.splitlines()[1:] == ["Traceback", "  boom"]

    def test_what_others_print_is_left_as_it_is(self) -> None:
        for line in ("[INF] nats: ready", '{"metric": 1}', "[1]", ""):
            assert readable(line) == line
