"""A session: an owner, a skill pinned by digest, and where its journal stands."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from common.contracts.sandbox import LaunchSkill

_TITLE_CHARS = 60
_WORD = re.compile(r"\w{2,40}")
_MOST_WORDS = 2000


class SessionState(StrEnum):
    ACTIVE = "active"
    DELETED = "deleted"


@dataclass(frozen=True)
class ChatSession:
    """`agent_session` is the agent's own durable name for the conversation; `titled` says that a
    person or the first message gave the title.
    """

    id: str
    owner_id: str
    launch_id: str
    skill: LaunchSkill
    title: str
    created_at: datetime
    updated_at: datetime
    state: SessionState = SessionState.ACTIVE
    titled: bool = False
    turn_id: str | None = None
    last_seq: int = 0
    agent_session: str | None = None

    def renamed(self, title: str, *, at: datetime) -> Self:
        return replace(self, title=title.strip(), titled=True, updated_at=at)


def title_of(text: str) -> str:
    """A title from a first message: its first line, cut at a word."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "New chat")
    line = " ".join(line.split())
    if len(line) <= _TITLE_CHARS:
        return line
    cut = line[:_TITLE_CHARS].rsplit(" ", 1)[0]
    return f"{cut.rstrip(' ,.;:')}…"


def words_of(text: str) -> list[str]:
    """The distinct words by which a text is found, in the order they appear."""
    words = dict.fromkeys(match.group().lower() for match in _WORD.finditer(text))
    return list(words)[:_MOST_WORDS]
