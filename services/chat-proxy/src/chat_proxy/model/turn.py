"""A turn: one user message and what follows it; its states and the claim under which it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Self

from common.contracts.chat import TurnState
from common.contracts.sandbox import Failure
from common.errors import ConflictError, ErrorCode, InvalidError

S = TurnState

TRANSITIONS: Mapping[TurnState, frozenset[TurnState]] = {
    S.PENDING: frozenset({S.RUNNING, S.COMPLETED, S.STOPPED, S.FAILED}),
    S.RUNNING: frozenset({S.COMPLETED, S.STOPPED, S.FAILED}),
    S.COMPLETED: frozenset(),
    S.STOPPED: frozenset(),
    S.FAILED: frozenset(),
}

CLAIM_TTL = timedelta(seconds=30)
CLAIM_RENEWAL = timedelta(seconds=10)


@dataclass(frozen=True)
class Claim:
    """The right of process `holder` to act on a turn until `until`; `fence` rises with each."""

    holder: str
    fence: int
    until: datetime

    def covers(self, now: datetime) -> bool:
        return now < self.until


_IMAGES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp"})
_ATTACHED = "[The user attached these files, which are in your working directory:\n{files}]"


@dataclass(frozen=True)
class Turn:
    """`running` means that the prompt may be with the agent: whoever takes the turn over looks at
    the agent's record before anything is sent.
    """

    id: str
    session_id: str
    owner_id: str
    text: str
    created_at: datetime
    claim: Claim
    attachments: tuple[str, ...] = ()
    state: TurnState = S.PENDING
    skill_digest: str | None = None
    other_skills: tuple[str, ...] = ()
    stop_requested: bool = False
    seq_from: int | None = None
    agent_session: str | None = None
    total_tokens: int | None = None
    error: Failure | None = None
    ended_at: datetime | None = None
    traceparent: str | None = None

    @property
    def is_ended(self) -> bool:
        return not TRANSITIONS[self.state]

    @property
    def prompt(self) -> str:
        """What the agent is told: the user's text, after what came with it."""
        if not self.attachments:
            return self.text
        files = "\n".join(f"- {path}" for path in self.attachments)
        return f"{_ATTACHED.format(files=files)}\n\n{self.text}"

    @property
    def images(self) -> tuple[str, ...]:
        """Attachments that a model may look at."""
        return tuple(
            path for path in self.attachments if PurePosixPath(path).suffix.lower() in _IMAGES
        )

    def begun_in(self, agent_session: str | None) -> Self:
        """Before it is stored: in the agent's conversation of that name, if there is one."""
        state = S.RUNNING if agent_session is not None else S.PENDING
        return replace(self, state=state, agent_session=agent_session)

    def running(self, *, agent_session: str) -> Self:
        """In the agent's conversation of that name; again, when it had to begin a new one."""
        turn = self if self.state is S.RUNNING else self._to(S.RUNNING)
        return replace(turn, agent_session=agent_session)

    def ended(self, state: TurnState, *, at: datetime, error: Failure | None = None) -> Self:
        return replace(self._to(state), ended_at=at, error=error)

    def asks_the_same(self, text: str, attachments: Sequence[str]) -> bool:
        return (self.text, self.attachments) == (text, tuple(attachments))

    def _to(self, state: TurnState) -> Self:
        if state not in TRANSITIONS[self.state]:
            message = f"turn {self.id}: {self.state} -> {state}"
            raise ConflictError(message, code=ErrorCode.INVALID_TRANSITION)
        return replace(self, state=state)


def checked_attachments(paths: Sequence[str]) -> tuple[str, ...]:
    """Paths inside the workspace. Raises InvalidError."""
    for path in paths:
        parts = PurePosixPath(path).parts
        is_odd = any(ord(char) < 32 for char in path) or "\\" in path
        if not parts or is_odd or path.startswith("/") or ".." in parts:
            message = "an attachment is a file of the session's workspace"
            raise InvalidError(message, code=ErrorCode.PATH_REFUSED)
    return tuple(dict.fromkeys(paths))
