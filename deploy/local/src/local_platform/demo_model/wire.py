"""A reply as OpenAI's wire has it: one JSON object, or a stream of small chunks."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from local_platform.demo_model.reply import Reply, Usage

WORD = re.compile(r"\s*\S+|\s+$")
"""With the space before it, as models have their tokens: what breaks off ends in no space."""
ARGUMENT_CHARS = 40
CHARS_PER_TOKEN = 4

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Envelope:
    """What every part of one answer repeats."""

    id: str
    created: int
    model: str

    def chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return _event(self._head("chat.completion.chunk") | {"choices": choices} | more)

    def delta(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        return self.chunk([{"index": 0, "delta": delta, "finish_reason": finish}])

    def whole(self, reply: Reply) -> dict[str, Any]:
        message = _message(reply, self.id)
        choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason}
        usage = {"usage": reply.usage.as_json()} if reply.usage else {}
        return self._head("chat.completion") | {"choices": [choice]} | usage

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def counted(reply: Reply, prompt_chars: int) -> Reply:
    """The reply with a usage, estimated from its length unless it brings one."""
    if reply.usage or not reply.tells_usage:
        return reply
    said = len(reply.text + reply.reasoning) + sum(len(call.arguments) for call in reply.calls)
    return replace(reply, usage=Usage(tokens(prompt_chars), tokens(said)))


def tokens(chars: int) -> int:
    return -(-chars // CHARS_PER_TOKEN)


def deltas(reply: Reply, answer_id: str) -> Iterator[dict[str, Any]]:
    """The reply in the small pieces in which a model speaks."""
    for piece in pieces(reply.reasoning, reply.pace.words_per_chunk):
        yield {"reasoning_content": piece}
    for piece in pieces(reply.text, reply.pace.words_per_chunk):
        yield {"content": piece}
    for index, call in enumerate(_calls(reply, answer_id)):
        function = call["function"]
        yield {"tool_calls": [{**call, "index": index, "function": {**function, "arguments": ""}}]}
        text = function["arguments"]
        for start in range(0, len(text), ARGUMENT_CHARS):
            part = {"arguments": text[start : start + ARGUMENT_CHARS]}
            yield {"tool_calls": [{"index": index, "function": part}]}


def pieces(text: str, words: int) -> Iterator[str]:
    found = WORD.findall(text)
    for start in range(0, len(found), words):
        yield "".join(found[start : start + words])


def error_event(error: dict[str, Any]) -> bytes:
    return _event(error)


def _event(content: dict[str, Any]) -> bytes:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return f"data: {text}\n\n".encode()


def _message(reply: Reply, answer_id: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if reply.calls:
        message["tool_calls"] = _calls(reply, answer_id)
    return message


def _calls(reply: Reply, answer_id: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{answer_id[-12:]}_{index}",
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for index, call in enumerate(reply.calls)
    ]
