"""An approval: asked by the agent, decided once by a person, delivered at most once.

A decision is stored in two steps. `decided` keeps the choice, and whoever comes second sees it;
`delivering` is stored before the answer goes to the agent, so that nobody ever sends it again: the
agent's requests have no id, and a repeated answer could approve the next command.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from common.contracts.chat import ApprovalChoice, ApprovalState
from common.errors import ConflictError, ErrorCode

A = ApprovalState

TRANSITIONS: Mapping[ApprovalState, frozenset[ApprovalState]] = {
    A.PENDING: frozenset({A.DELIVERING, A.EXPIRED}),
    A.DELIVERING: frozenset({A.DELIVERED, A.REFUSED, A.UNKNOWN}),
    A.DELIVERED: frozenset(),
    A.REFUSED: frozenset(),
    A.EXPIRED: frozenset(),
    A.UNKNOWN: frozenset(),
}

SCOPES = frozenset({ApprovalChoice.SESSION, ApprovalChoice.ALWAYS})
"""Choices that also answer later requests; the agent itself is only ever told once or deny."""

COMMAND_CHARS = 20_000
"""What a person can be shown; a longer command is refused."""

_ANY_SCRIPT = frozenset({"execute_code"})


@dataclass(frozen=True)
class Approval:
    """`rules` name what a scope covers: the agent's own names for the kind of danger. `decision`
    tells one answer from another that says the same.
    """

    id: str
    session_id: str
    turn_id: str
    owner_id: str
    skill_digest: str
    command: str
    rules: tuple[str, ...]
    choices: tuple[ApprovalChoice, ...]
    asked_at: datetime
    expires_at: datetime
    description: str = ""
    call_id: str | None = None
    state: ApprovalState = A.PENDING
    choice: ApprovalChoice | None = None
    decision: str = ""
    detail: str = ""
    decided_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.state is A.PENDING

    @property
    def is_decided(self) -> bool:
        return self.choice is not None

    @property
    def is_ended(self) -> bool:
        return not TRANSITIONS[self.state]

    def decided(self, choice: ApprovalChoice, *, at: datetime, decision: str = "") -> Self:
        if self.choice is not None or not self.is_open:
            message = "this approval was answered before"
            raise ConflictError(message, code=ErrorCode.APPROVAL_DECIDED)
        return replace(self, choice=choice, decision=decision, decided_at=at)

    def delivering(self) -> Self:
        return self._to(A.DELIVERING)

    def delivered(self, detail: str = "") -> Self:
        return replace(self._to(A.DELIVERED), detail=detail or self.detail)

    def refused(self, detail: str) -> Self:
        return replace(self._to(A.REFUSED), detail=detail)

    def expired(self, detail: str) -> Self:
        return replace(self._to(A.EXPIRED), detail=detail)

    def unknown(self, detail: str) -> Self:
        return replace(self._to(A.UNKNOWN), detail=detail)

    def _to(self, state: ApprovalState) -> Self:
        if state not in TRANSITIONS[self.state]:
            message = f"approval {self.id}: {self.state} -> {state}"
            raise ConflictError(message, code=ErrorCode.INVALID_TRANSITION)
        return replace(self, state=state)


def rules_of(rules: Sequence[str], command: str) -> tuple[str, ...]:
    """What a scope would cover: the agent's names for the danger, or exactly this command where it
    gives none, or one under which any script would run.
    """
    exactly = f"command: {command}"
    return tuple(exactly if rule in _ANY_SCRIPT else rule for rule in rules) or (exactly,)


def granted(asked: Approval, earlier: Sequence[Approval]) -> ApprovalChoice | None:
    """The scope under which `asked` is already answered: every rule of it was allowed before, for
    this session, or always for these bytes of the skill.
    """
    covered: dict[str, ApprovalChoice] = {}
    for one in earlier:
        if one.state is A.DELIVERED and one.choice in SCOPES and one.choice in asked.choices:
            covered |= dict.fromkeys(one.rules, one.choice)
    scopes = {covered.get(rule) for rule in asked.rules}
    if None in scopes:
        return None
    return next((scope for scope in sorted(filter(None, scopes))), None)
