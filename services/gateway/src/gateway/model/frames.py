"""One entry of a journal on its way to a viewer, and how it looks as a server-sent event.

A live line is passed on as it came: only its numbers and its type are read, and where its fields
stand in the usual order a pattern does that without parsing the rest.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

_SESSION = re.compile(
    rb'\{"seq":(\d+),(?:"seq_from":(null|\d+),)?"at":"[^"]*","turn_id":"[^"]*","type":"([a-z.]+)"'
)
_LAUNCH = re.compile(rb'\{"type":"([a-z.]+)","seq":(\d+),')


class Frame(NamedTuple):
    """An entry that covers the numbers `first` to `last`; `line` is its JSON without a line
    break.
    """

    first: int
    last: int
    type: bytes
    line: bytes


def frame_of(line: bytes) -> Frame | None:
    """The frame of a line, or None when it is not an entry."""
    if found := _SESSION.match(line):
        last = int(found[1])
        return Frame(last if found[2] in {None, b"null"} else int(found[2]), last, found[3], line)
    if found := _LAUNCH.match(line):
        number = int(found[2])
        return Frame(number, number, found[1], line)
    return _parsed(line)


def _parsed(line: bytes) -> Frame | None:
    try:
        entry = json.loads(line)
        last = int(entry["seq"])
        first = entry.get("seq_from")
        kind = str(entry["type"]).encode()
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if b"\n" in line or b"\r" in line:
        line = json.dumps(entry, separators=(",", ":")).encode()
    return Frame(last if first is None else int(first), last, kind, line)


def encode(frames: Iterable[Frame]) -> bytes:
    """Server-sent events: `id` is the last number covered, `event` the type, `data` the line."""
    events = [
        b"id: %d\nevent: %s\ndata: %s\n\n" % (last, type_, line) for _, last, type_, line in frames
    ]
    return b"".join(events)


def encode_announcement(name: str, facts: dict[str, Any]) -> bytes:
    """An event beside the journal; without an id, so it moves no client's place."""
    data = json.dumps(facts, separators=(",", ":")).encode()
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)


def encode_error(problem: dict[str, Any]) -> bytes:
    """The last event of a stream that ends early; without an id, so a client resumes by the last
    number it has.
    """
    return b"event: error\ndata: %s\n\n" % json.dumps(problem, separators=(",", ":")).encode()
