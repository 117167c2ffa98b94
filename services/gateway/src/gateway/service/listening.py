"""One turn's entries as a client of OpenAI's API is told of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.contracts import chat
from common.contracts.sandbox import Failure
from common.errors import CLASS_OF, AppError, ErrorCode, InternalError

from gateway.model.speech import Speech

_SHOWN = frozenset(
    {
        *("tool.started", "tool.progress", "tool.completed", "notice", "text.replaced"),
        *("approval.requested", "approval.resolved"),
    }
)

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Activity:
    """Something that is no part of the answer: an entry of the launch's or the session's
    journal.
    """

    entry: Entry


@dataclass(frozen=True)
class Begun:
    session: chat.Session
    turn: chat.Turn


@dataclass(frozen=True)
class Words:
    text: str


@dataclass(frozen=True)
class Thoughts:
    text: str


@dataclass(frozen=True)
class Ended:
    """`text` is the whole answer, with what was taken back replaced; `denied` are the commands
    that nobody could be asked about.
    """

    text: str
    usage: chat.TokensUsed
    denied: tuple[str, ...]


Told = Activity | Begun | Words | Thoughts | Ended


class Listening:
    """One turn's entries, as they are told on; `error` is how it failed."""

    def __init__(self, stops: Sequence[str]) -> None:
        self.has_ended = False
        self.error: AppError | None = None
        self.usage = chat.TokensUsed()
        self.denied: list[str] = []
        self._speech = Speech(stops)
        self._commands: dict[str, str] = {}

    @property
    def text(self) -> str:
        return self._speech.text

    @property
    def is_over(self) -> bool:
        return self.has_ended or self._speech.is_stopped

    def hear(self, entry: Entry) -> list[Told]:
        kind = entry["type"]
        told: list[Told] = [Activity(entry)] if kind in _SHOWN else []
        if kind == "text":
            return told + _words(self._speech.add(entry["text"]))
        if kind == "text.replaced":
            return told + _words(self._speech.replace(entry["text"]))
        if kind == "reasoning":
            return [*told, Thoughts(entry["text"])]
        return told + self._note(entry)

    def _note(self, entry: Entry) -> list[Told]:
        match entry["type"]:
            case "tool.started":
                self._speech.tool()
            case "approval.requested":
                self._commands[entry["approval_id"]] = entry["command"]
            case "approval.resolved" if entry.get("choice") in {None, "deny"}:
                self.denied.append(self._commands.get(entry["approval_id"], "a command"))
            case "usage":
                self.usage = chat.TokensUsed.model_validate(entry)
            case "turn.ended":
                self.has_ended = True
                self.error = error_of(entry.get("error"))
                return _words(self._speech.rest())
            case _:
                pass
        return []


def _words(text: str) -> list[Told]:
    return [Words(text)] if text else []


def error_of(failure: Failure | Mapping[str, Any] | None) -> AppError | None:
    if failure is None:
        return None
    found = failure if isinstance(failure, Failure) else Failure.model_validate(failure)
    if found.code is ErrorCode.INTERNAL:
        return InternalError(found.detail)
    extra = {"link": found.link} if found.link else {}
    return CLASS_OF[found.code](
        found.detail, code=found.code, retry_at=found.retry_at, extra=extra
    )
