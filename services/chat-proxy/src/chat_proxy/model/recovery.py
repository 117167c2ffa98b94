"""What happened while nobody listened: the agent's transcript against what was written.

The agent does not repeat what it sent. On attaching again it gives the text of the running answer
as one piece, and its transcript holds every finished step: together they put the missing text and
tools back in order. Only the reasoning of a step that is not finished is lost.

The transcript keeps each step's text without the white space around it, so texts are compared
without any.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass

from chat_proxy.model.agent import (
    AgentEvent,
    Standing,
    TextDelta,
    ToolEnd,
    ToolStart,
    TranscriptMessage,
)

_COMPARED = 160
_INVOCATION = "skillinvocation:"
_CUT_OFF = "length"
"""How a step ended that the model was asked to go on with: at its limit, or with its stream."""

_ATTACHED = "[Theuserattachedthesefiles,"


@dataclass(frozen=True)
class Caught:
    """`events` follow what was written; `restated` is the text since the last tool where the
    written text is no beginning of the agent's.
    """

    events: tuple[AgentEvent, ...]
    restated: str | None = None


def is_ours(prompt: str, kept: str) -> bool:
    """Whether `kept` is our prompt as the agent keeps it: with the skill or the description of an
    image before it, or with what its references stand for after it.
    """
    ours, theirs = _squeezed(prompt), _squeezed(kept)
    if ours.startswith(_ATTACHED) and ours in theirs:
        return True
    if theirs == ours or theirs.endswith(_INVOCATION + ours):
        return True
    return "@" in ours and ours[:_COMPARED] in theirs


def steps_after(
    prompt: str, messages: Sequence[TranscriptMessage], *, before: int = 0
) -> list[TranscriptMessage] | None:
    """What the agent stored after the prompt; None when the prompt is not there. `before` earlier
    turns said the same.
    """
    found = [
        index
        for index, message in enumerate(messages)
        if message.role == "user" and is_ours(prompt, message.text)
    ]
    return list(messages[found[-1] + 1 :]) if len(found) > before else None


def whole_text(steps: Sequence[TranscriptMessage]) -> str:
    """The text of finished steps as the agent streams it: after a tool a new paragraph begins,
    and what was cut off goes on.
    """
    text, between = "", ""
    for step in steps:
        if step.role == "assistant" and step.text.strip():
            text += between + step.text.strip()
        if step.role != "user":
            between = " " if step.finish == _CUT_OFF else "\n\n"
    return text


def catch_up(
    written: str,
    known: Set[str],
    ended: Set[str],
    steps: Sequence[TranscriptMessage],
    standing: Standing,
) -> Caught:
    """What is missing after `written` (all text so far) and the tools of `known` and `ended`."""
    agents = standing.text if standing.running else whole_text(steps)
    reached = _reached(written, agents)
    if reached is not None:
        return Caught(tuple(_Walk(reached, known, ended, agents).over(steps)))
    tools = _Walk(len(agents), known, ended, agents).over(steps)
    restated = None if _is_beyond(written, agents) else _last_stretch(agents, steps)
    return Caught(tuple(tools), restated)


def _reached(written: str, agents: str) -> int | None:
    """How far `agents` was written; None when something else was."""
    if agents.startswith(written):
        return len(written)
    at = 0
    for part in written.split():
        for character in part:
            while at < len(agents) and agents[at].isspace():
                at += 1
            if at == len(agents) or agents[at] != character:
                return None
            at += 1
    for space in written[len(written.rstrip()) :]:
        if at == len(agents) or agents[at] != space:
            break
        at += 1
    return at


def _is_beyond(written: str, agents: str) -> bool:
    return _squeezed(written).startswith(_squeezed(agents))


class _Walk:
    """`reached` is how much of `agents`, all of its text, was written."""

    def __init__(self, reached: int, known: Set[str], ended: Set[str], agents: str) -> None:
        self._position = reached
        self._known = known
        self._ended = ended
        self._agents = agents
        self._cursor = 0

    def over(self, steps: Sequence[TranscriptMessage]) -> list[AgentEvent]:
        names: dict[str, str] = {}
        events: list[AgentEvent] = []
        for step in steps:
            if step.role == "assistant":
                events += self._text_of(step.text.strip())
                for call in step.calls:
                    names[call.call_id] = call.name
                    if call.call_id not in self._known:
                        events.append(ToolStart(call.call_id, call.name, arguments=call.arguments))
            elif step.role == "tool" and step.call_id not in self._ended:
                name = step.name or names.get(step.call_id, "")
                events.append(ToolEnd(step.call_id, name, error=step.error, result=step.text))
        return events + self._up_to(len(self._agents))

    def _text_of(self, content: str) -> list[AgentEvent]:
        found = self._agents.find(content, self._cursor) if content else -1
        return [] if found < 0 else self._up_to(found + len(content))

    def _up_to(self, end: int) -> list[AgentEvent]:
        start = max(self._position, self._cursor)
        self._cursor = max(self._cursor, end)
        return [TextDelta(self._agents[start:end])] if end > start else []


def _last_stretch(agents: str, steps: Sequence[TranscriptMessage]) -> str:
    """The agent's text since its last tool."""
    end = 0
    for step in steps:
        content = step.text.strip()
        if step.role == "assistant" and step.calls and content:
            found = agents.find(content, end)
            end = found + len(content) if found >= 0 else end
    return agents[end:].strip()


def _squeezed(text: str) -> str:
    return "".join(text.split())
