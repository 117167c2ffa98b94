"""Answers as the markers in a prompt ask for them."""

import json
import math
import re
from collections import OrderedDict
from dataclasses import dataclass, replace

from local_platform.demo_model.conversation import Conversation
from local_platform.demo_model.demonstration import read_result
from local_platform.demo_model.faults import STREAM_BREAKS, refusal
from local_platform.demo_model.markers import Marker
from local_platform.demo_model.reply import Behaviour, Pace, Reply, ToolCall, Usage

ERROR = re.compile(r"(?P<kind>[a-z0-9]+)(?::(?P<times>\d+))?(?:@(?P<step>\d+))?")
DANGEROUS = "mkdir -p demo-scratch && rm -rf demo-scratch"
GREETING = "Hello from the demo model, word by word."
MOST_TOKENS = 100_000


class Attempts:
    """The scripted turns so far, by their words, and how often each has met its error.

    It is what makes an error that passes, and what keeps one turn's script out of the next: an
    agent whose turn failed sends its words again, before the new ones and a blank line.
    """

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._counts: OrderedDict[str, int] = OrderedDict()

    def begin(self, words: str) -> None:
        self._counts.setdefault(words, 0)
        self._counts.move_to_end(words)
        if len(self._counts) > self._most:
            self._counts.popitem(last=False)

    def meet_error(self, words: str) -> int:
        self._counts[words] = self._counts.get(words, 0) + 1
        return self._counts[words]

    def new_words(self, words: str) -> str:
        """`words` without those of turns before."""
        head, separator, tail = words.partition("\n\n")
        while separator and head in self._counts:
            words = tail
            head, separator, tail = words.partition("\n\n")
        return words

    def clear(self) -> None:
        self._counts.clear()


@dataclass(frozen=True)
class Script:
    """The markers of one turn."""

    markers: tuple[Marker, ...]

    def value(self, tag: str) -> str | None:
        return next((marker.value for marker in self.markers if marker.tag == tag), None)

    def number(self, tag: str, default: float) -> float:
        value = self.value(tag)
        try:
            number = float(value) if value else default
        except ValueError:
            return default
        return number if number >= 0 else default


def follow(script: Script, conversation: Conversation, attempts: Attempts) -> Behaviour:
    attempts.begin(conversation.words)
    delay_s = script.number("delay", 0.0)
    if script.value("hang") is not None:
        delay_s += script.number("hang", math.inf)
    fault = _fault(script, conversation, attempts)
    refused = refusal(fault)
    if refused:
        return Behaviour(refused, delay_s)
    reply = Reply() if fault == "empty" else _reply(script, conversation)
    return Behaviour(replace(reply, breaks=STREAM_BREAKS.get(fault, "")), delay_s)


def _fault(script: Script, conversation: Conversation, attempts: Attempts) -> str:
    found = ERROR.fullmatch(script.value("error") or "")
    if not found or (found["step"] and int(found["step"]) != conversation.step):
        return ""
    count = attempts.meet_error(conversation.words)
    return "" if found["times"] and count > int(found["times"]) else found["kind"]


def _reply(script: Script, conversation: Conversation) -> Reply:
    calls = _calls(script, conversation)
    text = (script.value("pre") or "") if calls else _answer(script, conversation)
    if script.value("startover") is None:
        text = text.removeprefix(conversation.said)
    return Reply(
        text=text,
        reasoning=script.value("reasoning") or "",
        calls=calls,
        finish="" if calls else script.value("finish") or "",
        usage=_usage(script),
        tells_usage=script.value("nousage") is None,
        pace=_pace(script),
    )


def _calls(script: Script, conversation: Conversation) -> tuple[ToolCall, ...]:
    if not conversation.tools:
        return ()
    loop = next((marker for marker in script.markers if marker.tag == "loop"), None)
    if loop:
        return (ToolCall(loop.value, json.dumps(loop.payload)),)
    steps = [calls for marker in script.markers if (calls := _marked_calls(marker))]
    return steps[conversation.step] if conversation.step < len(steps) else ()


def _marked_calls(marker: Marker) -> tuple[ToolCall, ...]:
    match marker.tag:
        case "tool":
            return (ToolCall(marker.value, json.dumps(marker.payload)),)
        case "tools" if isinstance(marker.payload, list):
            named = [c for c in marker.payload if isinstance(c, dict) and "name" in c]
            return tuple(ToolCall(c["name"], json.dumps(c.get("args", {}))) for c in named)
        case "badargs":
            return (ToolCall(marker.value, '{"command": "ls'),)
        case "dangerous":
            return (ToolCall("terminal", json.dumps({"command": marker.value or DANGEROUS})),)
        case _:
            return ()


def _answer(script: Script, conversation: Conversation) -> str:
    thought = script.value("think")
    return (f"<think>{thought}</think>" if thought else "") + _visible(script, conversation)


def _visible(script: Script, conversation: Conversation) -> str:
    echo, say = script.value("echo"), script.value("say")
    tokens = int(min(script.number("tokens", 0), MOST_TOKENS))
    if echo is not None:
        return _echo(echo, conversation)
    if say is not None:
        return say
    if tokens:
        return " ".join(f"w{number}" for number in range(tokens))
    if conversation.results:
        said, _ = read_result(conversation.results[-1])
        return f"The last tool returned: {said.strip() or 'nothing'}"
    return GREETING


def _echo(what: str, conversation: Conversation) -> str:
    last = conversation.results[-1].text if conversation.results else ""
    answers = {
        "system": conversation.system,
        "tools": ",".join(conversation.tools),
        "user": conversation.prompt,
        "tool": last,
    }
    return answers.get(what, f"There is nothing to echo by the name {what}.")


def _pace(script: Script) -> Pace:
    delay_s = script.number("chunkdelay", 0.0)
    rate = script.number("rate", 1 / delay_s if delay_s else 0.0)
    return Pace(chunks_per_second=rate, words_per_chunk=max(1, int(script.number("chunk", 1))))


def _usage(script: Script) -> Usage | None:
    found = re.fullmatch(r"\s*(\d+)\s*,\s*(\d+)\s*", script.value("usage") or "")
    return Usage(int(found[1]), int(found[2])) if found else None
