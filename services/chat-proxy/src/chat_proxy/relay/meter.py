"""Reads an answer as it passes: its tokens, and whether it ended as answers do."""

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from chat_proxy.model.usage import Tokens

_TAIL = 16 * 1024
_TRIM = 64 * 1024
_WHOLE = 8 * 1024 * 1024
_BYTES_PER_TOKEN = 4
_ERROR = b'"error"'
_LAST_WORD = (b"data: [DONE]", b"data:[DONE]")


class Flaw(StrEnum):
    """What an answer that came with status 200 can lack."""

    CUT = "cut"
    ERROR = "error"
    TOO_LONG = "too long"
    FILTERED = "filtered"


_BY_REASON = {"length": Flaw.TOO_LONG, "content_filter": Flaw.FILTERED}


class Meter:
    """Keeps an answer's end only, since that is where usage and the reason of the end stand."""

    def __init__(self, *, request_bytes: int, is_stream: bool) -> None:
        self._request_bytes = request_bytes
        self._is_stream = is_stream
        self._end = bytearray()
        self._has_failed = False
        self._events = 0
        self._bytes = 0

    def feed(self, chunk: bytes) -> None:
        self._bytes += len(chunk)
        self._end += chunk
        if self._is_stream:
            self._events += chunk.count(b"data:")
            self._look_for_error(len(chunk))
            if len(self._end) > _TRIM:
                del self._end[:-_TAIL]
        elif len(self._end) > _WHOLE:
            self._end.clear()

    @property
    def is_said(self) -> bool:
        """A stream's last word is here, or its error: what follows adds nothing."""
        return self._is_stream and (self._has_failed or self._is_done)

    @property
    def _is_done(self) -> bool:
        return bytes(self._end[-64:]).rstrip().endswith(_LAST_WORD)

    def tokens(self) -> Tokens:
        """What the provider counted, or an estimate."""
        said = next(filter(None, map(_usage, self._last_parts())), None)
        if said is not None:
            return said
        # A delta of a stream is some token; a whole answer is mostly its text.
        output = self._events if self._is_stream else self._bytes // _BYTES_PER_TOKEN
        return Tokens(self._request_bytes // _BYTES_PER_TOKEN, output, is_estimated=True)

    def flaw(self) -> tuple[Flaw, str] | None:
        """What is wrong with an answer that has come to its end, with the provider's words."""
        parts = list(self._last_parts())
        words = next((said for part in parts if (said := error_in(part)) is not None), None)
        if words is not None:
            return Flaw.ERROR, words
        reason = next((found for part in parts if (found := _reason(part))), None)
        if reason is None and self._is_stream and not self._is_done:
            return Flaw.CUT, ""
        flaw = _BY_REASON.get(reason or "")
        return None if flaw is None else (flaw, "")

    def _last_parts(self) -> Iterator[dict[str, Any]]:
        """The last events of a stream, the last one first; or the whole answer."""
        return _events(self._end) if self._is_stream else _objects(bytes(self._end))

    def _look_for_error(self, size: int) -> None:
        """In the lines of which the last `size` bytes are a part."""
        start = self._end.rfind(b"\n", 0, len(self._end) - size) + 1
        if self._end.find(_ERROR, start) >= 0:
            fresh = _events(self._end[start:])
            self._has_failed = self._has_failed or any(error_in(one) is not None for one in fresh)


def _events(data: bytearray) -> Iterator[dict[str, Any]]:
    """The last one first."""
    for line in reversed(bytes(data).splitlines()):
        if line.startswith(b"data:"):
            yield from _objects(line[5:])


def error_in(body: dict[str, Any]) -> str | None:
    """The words of an error in OpenAI's shape, or in those that others use for it."""
    error = body.get("error")
    if not error:
        return None
    found = error.get("message") if isinstance(error, dict) else error
    return found if isinstance(found, str) else ""


def _objects(data: bytes) -> Iterator[dict[str, Any]]:
    try:
        body: Any = json.loads(data)
    except ValueError:
        return
    if isinstance(body, dict):
        yield body


def _usage(body: dict[str, Any]) -> Tokens | None:
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return None
    given, made = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not isinstance(given, int) and not isinstance(made, int):
        return None
    return Tokens(_count(given), _count(made))


def _reason(body: dict[str, Any]) -> str | None:
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    reason = first.get("finish_reason") if isinstance(first, dict) else None
    return reason if isinstance(reason, str) else None


def _count(value: object) -> int:
    return max(value, 0) if isinstance(value, int) else 0
