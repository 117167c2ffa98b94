"""Logs: one JSON object a line for machines, one short line for a person at a terminal."""

import json
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from opentelemetry import trace

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_HEAD = ("time", "level", "service", "logger", "message", "exception")

# What must not be there is kept out where it is written; this is the net below.
_SECRET = re.compile(
    r"(?P<before>\b(?:bearer|basic)\s+"
    r"|\b(?:api[_-]?key|token|password|secret|authorization)[\\\"']*\s*[=:]\s*[\\\"']*"
    r"|\w://[^\s:/@]*:)"
    r"[^\s\\\"'&,;@]{6,}"
    r"|\b(?:sk|ghp|gho|github_pat|dtn|xox[abp])[-_][A-Za-z0-9_-]{12,}",
    re.I,
)
_HIDDEN = "***"
_COLOURS = {"warning": "\033[33m", "error": "\033[31m", "critical": "\033[31m"}
_DIM, _PLAIN = "\033[2m", "\033[0m"


def without_secrets(text: str) -> str:
    """`text` with what looks like a credential taken out."""
    return _SECRET.sub(lambda found: f"{found['before'] or ''}{_HIDDEN}", text)


class JsonFormatter(logging.Formatter):
    """Time, level, service, logger, message, trace and span, and the record's `extra`."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.line(record))

    def line(self, record: logging.LogRecord) -> dict[str, Any]:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            line["trace_id"] = f"{context.trace_id:032x}"
            line["span_id"] = f"{context.span_id:016x}"
        line |= {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return {name: _shown(value) for name, value in line.items()}


def _shown(value: object) -> object:
    is_plain = value is None or isinstance(value, int | float)
    return value if is_plain else without_secrets(str(value))


class TerminalFormatter(JsonFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return pretty(self.line(record))


def pretty(line: Mapping[str, Any]) -> str:
    """A line of `JsonFormatter` for a person."""
    clock = str(line.get("time", ""))[11:23]
    level = str(line.get("level", ""))
    colour = _COLOURS.get(level, "")
    facts = " ".join(f"{name}={value}" for name, value in line.items() if name not in _HEAD)
    head = f"{_DIM}{clock}{_PLAIN} {line.get('service', ''):15} {colour}{line.get('message', '')}"
    text = f"{head}{_PLAIN}{f'  {_DIM}{facts}{_PLAIN}' if facts else ''}"
    return f"{text}\n{line['exception']}" if "exception" in line else text
