"""A session: an owner, a skill pinned by digest, and where its journal stands."""

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from common.contracts.chat import SessionContext
from common.contracts.sandbox import LaunchSkill
from common.errors import InvalidError

_TITLE_CHARS = 60
_WORD = re.compile(r"\w+")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_WORD_CHARS = 40
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
    last_seq: int = 0
    agent_session: str | None = None
    context: SessionContext | None = None

    @property
    def place(self) -> "Place":
        return Place(self.updated_at, self.id)

    def renamed(self, title: str, *, at: datetime) -> Self:
        return replace(self, title=title.strip(), titled=True, updated_at=at)


@dataclass(frozen=True)
class Place:
    """Where a list of sessions ended."""

    updated_at: datetime
    session_id: str

    @property
    def cursor(self) -> str:
        return f"{self.updated_at.isoformat()}~{self.session_id}"

    @classmethod
    def from_cursor(cls, cursor: str) -> Self:
        """Raises InvalidError for what no list gave."""
        message = "a cursor is what a list gave as its next_cursor"
        time, _, session_id = cursor.partition("~")
        try:
            updated_at = datetime.fromisoformat(time)
        except ValueError as exc:
            raise InvalidError(message) from exc
        if updated_at.tzinfo is None or not session_id:
            raise InvalidError(message)
        return cls(updated_at, session_id)


def title_of(text: str) -> str:
    """A title from a first message: its first line, cut at a word."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "New chat")
    line = " ".join(line.split())
    if len(line) <= _TITLE_CHARS:
        return line
    cut = line[:_TITLE_CHARS].rsplit(" ", 1)[0]
    return f"{cut.rstrip(' ,.;:')}…"


def words_of(text: str) -> list[str]:
    """The distinct words by which a text is found, in the order they appear: without case and
    accents, and pairs of characters where a script puts no spaces between words.
    """
    words: dict[str, None] = {}
    for word in dict.fromkeys(_WORD.findall(_plain(text))):
        words.update(dict.fromkeys(_pieces(word)))
        if len(words) >= _MOST_WORDS:
            break
    return list(words)[:_MOST_WORDS]


def _plain(text: str) -> str:
    """Without case, accents and repetition: a long answer says most of its words often, and all
    that is done to each takes other turns their time.
    """
    plain = " ".join(dict.fromkeys(text.casefold().split()))
    if plain.isascii():
        return plain
    plain = unicodedata.normalize("NFKD", plain)
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return unicodedata.normalize("NFC", plain)


def _pieces(word: str) -> list[str]:
    if word.isascii():
        return [word[:_WORD_CHARS]] if len(word) > 1 else []
    unspaced = _UNSPACED.findall(word)
    pieces = [run[at : at + 2] for run in unspaced for at in range(max(len(run) - 1, 1))]
    rest = _UNSPACED.sub(" ", word).split()
    return pieces + [piece[:_WORD_CHARS] for piece in rest if len(piece) > 1]
