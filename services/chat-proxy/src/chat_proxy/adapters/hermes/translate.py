"""From Hermes' events to ours: a table by type.

What is only decoration is dropped (`thinking.delta` is a spinner, `reasoning.available` repeats
the answer), a type or a form that this version does not know is said once, as a note. Whatever has
no use at its full length is cut: the agent is in a sandbox, and may send anything.
"""

import json
from collections.abc import Callable
from typing import Any

from chat_proxy.adapters.hermes.tools import clipped, clipped_arguments, tool_failed, tool_result
from chat_proxy.model.agent import (
    AgentEvent,
    AgentStatus,
    ApprovalAsk,
    CallStarted,
    Finished,
    InterimText,
    Note,
    ReasoningDelta,
    TextDelta,
    Tokens,
    ToolEnd,
    ToolProgress,
    ToolStart,
)

Payload = dict[str, Any]

_NAME_CHARS = 500
_MOST_RULES = 50
_ALL_CHOICES = ("once", "session", "always", "deny")
_NOTE_CHARS = 2000
_MOST = 1e12

_SILENT = frozenset(
    {
        "agent.terminal.output",
        "gateway.ready",
        "message.start",
        "moa.aggregating",
        "notification.clear",
        "reaction",
        "reasoning.available",
        "secret.expire",
        "session.info",
        "session.title",
        "skin.changed",
        "subagent.thinking",
        "sudo.expire",
        "terminal.close",
        "tool.generating",
    }
)
_NOTES = {
    "notification.show": "agent_notification",
    "review.summary": "agent_review",
    "moa.reference": "agent_reference",
}


class Translator:
    """Translates one conversation; remembers what tells one turn from the one before."""

    def __init__(self, used: object = None) -> None:
        self._used = _tokens(used)
        self._last_status = ""
        self._said: set[str] = set()
        self._open_tool = ""

    def turn_begins(self) -> None:
        self._last_status = ""
        self._said.clear()

    def translate(self, type_: str, payload: object) -> AgentEvent | None:
        if isinstance(payload, dict):
            translate = _TABLE.get(type_)
            try:
                if translate is not None:
                    return translate(self, payload)
                return self._untold(type_, payload)
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
        return self._unknown(type_)

    def _untold(self, type_: str, payload: Payload) -> AgentEvent | None:
        if type_ in _SILENT:
            return None
        if type_ in _NOTES:
            return _note(payload.get("text"), _NOTES[type_])
        if type_.startswith("subagent."):
            return self._subagent(payload)
        return self._unknown(type_)

    def _text(self, payload: Payload) -> AgentEvent | None:
        text = payload.get("text")
        if not text:
            return None
        # Nearly every event is this one, and nearly every text is clean.
        return TextDelta(text if type(text) is str and text.isascii() else _clean(text))

    def _reasoning(self, payload: Payload) -> AgentEvent | None:
        text = payload.get("text")
        return ReasoningDelta(_clean(text)) if text else None

    def _thinking(self, payload: Payload) -> AgentEvent | None:
        # The spinner starts, with a text, whenever the model is called.
        return CallStarted() if payload.get("text") else None

    def _interim(self, payload: Payload) -> AgentEvent | None:
        return InterimText(
            _clean(payload.get("text")), streamed=bool(payload.get("already_streamed"))
        )

    def _tool_start(self, payload: Payload) -> AgentEvent | None:
        self._open_tool = _name(payload.get("tool_id"))
        return ToolStart(
            call_id=self._open_tool,
            name=_name(payload.get("name")),
            preview=clipped(_clean(payload.get("context"))),
            arguments=clipped_arguments(_parsed(payload.get("args_text"))),
        )

    def _tool_complete(self, payload: Payload) -> AgentEvent | None:
        self._open_tool = ""
        result = payload.get("result")
        return ToolEnd(
            call_id=_name(payload.get("tool_id")),
            name=_name(payload.get("name")),
            arguments=clipped_arguments(payload.get("args")),
            duration_s=_number(payload.get("duration_s")),
            error=tool_failed(result),
            result=_clean(tool_result(result)),
        )

    def _approval(self, payload: Payload) -> AgentEvent | None:
        return ApprovalAsk(
            command=_clean(payload.get("command")),
            description=clipped(_clean(payload.get("description")), _NOTE_CHARS),
            rules=_rules(payload.get("pattern_keys") or [payload.get("pattern_key")]),
            choices=tuple(map(str, payload.get("choices") or _ALL_CHOICES)),
        )

    def _complete(self, payload: Payload) -> AgentEvent | None:
        now, before = _tokens(payload.get("usage")), self._used
        self._used = now
        return Finished(
            status=_STATUS.get(str(payload.get("status")), AgentStatus.COMPLETE),
            text=_clean(payload.get("text")),
            tokens=_since(now, before),
            warning=clipped(_clean(payload.get("warning")), _NOTE_CHARS),
            last_status=self._last_status,
        )

    def _error(self, payload: Payload) -> AgentEvent | None:
        return Finished(AgentStatus.ERROR, _clean(payload.get("message")))

    def _status(self, payload: Payload) -> AgentEvent | None:
        text = _clean(payload.get("text"))
        self._last_status = text
        return _note(text, _name(f"agent_{payload.get('kind') or 'status'}"))

    def _risk(self, payload: Payload) -> AgentEvent | None:
        findings = ", ".join(str(one) for one in payload.get("findings") or ())
        text = f"The output of {payload.get('name')} looks risky ({payload.get('risk')})"
        return _note(f"{text}: {findings}" if findings else text, "tool_output_risk")

    def _subagent(self, payload: Payload) -> AgentEvent | None:
        text = clipped(_clean(payload.get("text") or payload.get("goal")))
        return ToolProgress(self._open_tool, text) if text and self._open_tool else None

    def _unknown(self, type_: str) -> AgentEvent | None:
        name = _name(type_)
        if name in self._said:
            return None
        self._said.add(name)
        return Note(f"The agent sent something this version does not know: {name}.", "unknown")


_TABLE: dict[str, Callable[[Translator, Payload], AgentEvent | None]] = {
    "message.delta": Translator._text,
    "reasoning.delta": Translator._reasoning,
    "thinking.delta": Translator._thinking,
    "message.interim": Translator._interim,
    "tool.start": Translator._tool_start,
    "tool.complete": Translator._tool_complete,
    "tool.output_risk": Translator._risk,
    "approval.request": Translator._approval,
    "message.complete": Translator._complete,
    "error": Translator._error,
    "status.update": Translator._status,
}

_STATUS = {
    "complete": AgentStatus.COMPLETE,
    "interrupted": AgentStatus.INTERRUPTED,
    "error": AgentStatus.ERROR,
}


def _clean(text: object) -> str:
    """Text that can be encoded: half a surrogate pair cannot."""
    if text is None:
        return ""
    value = text if isinstance(text, str) else str(text)
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def _name(value: object) -> str:
    return clipped(_clean(value), _NAME_CHARS)


def _number(value: object) -> float | None:
    """A number of sensible size, where it is one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value < _MOST else None


def _rules(rules: object) -> tuple[str, ...]:
    """The agent's names of the danger; none where they could be told apart no more when cut."""
    if not isinstance(rules, list) or len(rules) > _MOST_RULES:
        return ()
    names = tuple(_clean(rule) for rule in rules if rule)
    return () if any(len(name) > _NAME_CHARS for name in names) else names


def _note(text: object, code: str) -> Note | None:
    cleaned = _clean(text).strip()
    return Note(cleaned[:_NOTE_CHARS], code) if cleaned else None


def _parsed(text: object) -> Payload | None:
    """Arguments as the agent prints them; it may have shortened them beyond reading."""
    if not isinstance(text, str):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _tokens(usage: object) -> Tokens:
    counts = usage if isinstance(usage, dict) else {}
    names = ("input", "output", "total", "calls")
    return Tokens(**{name: _count(counts.get(name)) for name in names})


def _count(value: object) -> int:
    number = _number(value)
    return 0 if number is None else int(number)


def _since(now: Tokens, before: Tokens) -> Tokens:
    """The agent counts for the life of the conversation, and from zero after a restart."""
    if now.total < before.total or now.calls < before.calls:
        return now
    return Tokens(
        input=max(now.input - before.input, 0),
        output=max(now.output - before.output, 0),
        total=now.total - before.total,
        calls=now.calls - before.calls,
    )
