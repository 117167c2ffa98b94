"""Markers in a prompt: `[[tag]]`, `[[tag:value]]` and, for tools, `[[tool:NAME {json}]]`."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MARKERS = {
    "error": "fail: a status (401 402 403 404 413 429 500 502 503 529), context, content, notjson,"
    " drop, midstream or empty; `:N` for the first N calls only, `@N` at step N only",
    "startover": "say the whole answer again when asked to go on with one that was cut off",
    "hang": "accept the request and send nothing, for ever or for so many seconds",
    "delay": "seconds before the first byte",
    "chunkdelay": "seconds between chunks",
    "rate": "chunks per second; 0 for as fast as possible",
    "chunk": "words in a chunk",
    "tokens": "answer with so many words: w0 w1 w2",
    "say": "answer with this text",
    "echo": "answer with the system prompt (system), the names of the tools (tools), the user's"
    " message (user) or the last tool result (tool)",
    "reasoning": "reason first, in these words",
    "think": "the same inside the answer, between <think> tags",
    "pre": "text sent together with tool calls",
    "tool": "call a tool: NAME {json}; each marker is one step",
    "tools": 'several calls in one step: [{"name": "...", "args": {...}}]',
    "loop": "call this tool at every step, for ever",
    "badargs": "call this tool with broken arguments",
    "dangerous": "run a command that needs an approval, or the one given",
    "finish": "another finish reason for the answer",
    "usage": "prompt and completion tokens: P,C",
    "nousage": "leave the usage out",
}
"""Every marker there is and what it does."""

OPEN = re.compile(r"\[\[(?P<tag>[a-z]+)(?P<colon>:?)")
NAME = re.compile(r"\s*(?P<name>[A-Za-z_][\w.-]*)?\s*")
WITH_JSON = {"tool", "tools", "loop"}


@dataclass(frozen=True)
class Marker:
    """`payload` is the JSON of a tool marker; `value` of one is the tool's name."""

    tag: str
    value: str
    payload: Any = None


def read_markers(text: str) -> list[Marker]:
    """The markers in `text`, in order; brackets that are no marker are left alone."""
    return list(_scan(text))


def _scan(text: str) -> Iterator[Marker]:
    at = 0
    while found := OPEN.search(text, at):
        at = found.end()
        if found["tag"] not in MARKERS:
            continue
        read = _read_json if found["tag"] in WITH_JSON else _read_plain
        marker, end = read(text, found)
        if marker:
            yield marker
            at = end


def _read_plain(text: str, found: re.Match[str]) -> tuple[Marker | None, int]:
    value, closing, _ = text[found.end() :].partition("]]")
    if not closing or (value and not found["colon"]):
        return None, found.end()
    return Marker(found["tag"], value), found.end() + len(value) + 2


def _read_json(text: str, found: re.Match[str]) -> tuple[Marker | None, int]:
    named = NAME.match(text, found.end())
    start = named.end() if named else found.end()
    name = (named["name"] if named else None) or ""
    payload: Any = {}
    if text[start : start + 1] in ("{", "["):
        try:
            payload, start = json.JSONDecoder().raw_decode(text, start)
        except ValueError:
            return None, found.end()
    closed = re.compile(r"\s*\]\]").match(text, start)
    if not closed:
        return None, found.end()
    return Marker(found["tag"], name, payload), closed.end()
