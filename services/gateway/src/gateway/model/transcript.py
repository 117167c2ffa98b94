"""A session's journal folded into what a person reads: turns, and in a turn the parts of the
answer in their order.

Every part knows the number it began with and the last number that changed it, so a page that has
seen a number is brought up to date with exactly what is newer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_MOST_PROGRESS = 20

Entry = dict[str, Any]


@dataclass
class Part:
    """`kind`: text, reasoning, tool, approval or notice; `facts` are the fields of its entries."""

    kind: str
    began: int
    changed: int
    text: str = ""
    facts: Entry = field(default_factory=dict)
    is_open: bool = True

    @property
    def id(self) -> str:
        return f"p{self.began}"


@dataclass
class Turn:
    """`renewed` is the last number that changed which parts there are, other than by adding
    one.
    """

    id: str
    began: int
    text: str
    attachments: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    state: str = "running"
    error: Entry | None = None
    usage: Entry | None = None
    settled: int = 0
    renewed: int = 0

    @property
    def last_part(self) -> Part | None:
        return self.parts[-1] if self.parts else None

    def part_with(self, name: str, value: object) -> Part | None:
        return next((part for part in self.parts if part.facts.get(name) == value), None)


class Transcript:
    """The turns of a session, from the first entry that was applied."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.last = 0

    def apply(self, entry: Entry) -> None:
        """Take the next entry, folded or not; a type that is not known changes nothing."""
        first = entry.get("seq_from") or entry["seq"]
        self.last = entry["seq"]
        if entry["type"] == "turn.started":
            self._close_last()
            turn = Turn(entry["turn_id"], first, entry.get("text", ""))
            turn.attachments = entry.get("attachments") or []
            self.turns.append(turn)
        elif self.turns and (fold := _FOLDS.get(entry["type"])):
            fold(self.turns[-1], entry, first)

    def _close_last(self) -> None:
        if self.turns:
            _close(self.turns[-1], self.last)


def _close(turn: Turn, number: int) -> None:
    """No more text comes to the last part."""
    part = turn.last_part
    if part is not None and part.kind in {"text", "reasoning"} and part.is_open:
        part.is_open = False
        part.changed = number


def _add(turn: Turn, kind: str, entry: Entry, first: int) -> Part:
    _close(turn, entry["seq"])
    part = Part(kind, first, entry["seq"])
    turn.parts.append(part)
    return part


def _words(turn: Turn, entry: Entry, first: int) -> None:
    part = turn.last_part
    if part is None or part.kind != entry["type"]:
        part = _add(turn, entry["type"], entry, first)
    part.text += entry["text"]
    part.changed = entry["seq"]


def _text_replaced(turn: Turn, entry: Entry, first: int) -> None:
    """The new text stands for all text since the last tool."""
    tools = [index for index, part in enumerate(turn.parts) if part.kind == "tool"]
    since = tools[-1] + 1 if tools else 0
    turn.parts[since:] = [part for part in turn.parts[since:] if part.kind != "text"]
    turn.renewed = entry["seq"]
    _add(turn, "text", entry, first).text = entry["text"]


def _tool(turn: Turn, entry: Entry, first: int) -> None:
    part = turn.part_with("call_id", entry["call_id"])
    if part is None:
        part = _add(turn, "tool", entry, first)
    # A completion that does not repeat what the start said does not erase it.
    part.facts |= {name: value for name, value in entry.items() if value not in ("", None)}
    part.facts["is_done"] = entry["type"] == "tool.completed"
    part.changed = entry["seq"]


def _tool_progress(turn: Turn, entry: Entry, _: int) -> None:
    part = turn.part_with("call_id", entry["call_id"])
    if part is not None:
        lines = [*part.facts.get("progress", []), entry["text"]]
        part.facts["progress"] = lines[-_MOST_PROGRESS:]
        part.changed = entry["seq"]


def _approval(turn: Turn, entry: Entry, first: int) -> None:
    part = turn.part_with("approval_id", entry["approval_id"])
    if part is None:
        part = _add(turn, "approval", entry, first)
    part.facts |= entry
    part.changed = entry["seq"]


def _notice(turn: Turn, entry: Entry, first: int) -> None:
    _add(turn, "notice", entry, first).facts = entry


def _usage(turn: Turn, entry: Entry, _: int) -> None:
    turn.usage = entry
    turn.settled = entry["seq"]


def _ended(turn: Turn, entry: Entry, _: int) -> None:
    _close(turn, entry["seq"])
    turn.state = entry["state"]
    turn.error = entry.get("error")
    turn.settled = entry["seq"]
    # A card that still asks or runs looks alive: nothing will answer it any more.
    for part in turn.parts:
        if part.kind in {"tool", "approval"}:
            part.changed = entry["seq"]


_FOLDS: dict[str, Callable[[Turn, Entry, int], None]] = {
    "text": _words,
    "reasoning": _words,
    "text.replaced": _text_replaced,
    "tool.started": _tool,
    "tool.completed": _tool,
    "tool.progress": _tool_progress,
    "approval.requested": _approval,
    "approval.resolved": _approval,
    "notice": _notice,
    "usage": _usage,
    "turn.ended": _ended,
}
