"""The record of a launch: what was asked, how far it is, and its journal.

Only the holder of the claim writes, so the journal's numbers have no gaps. `claimed` raises the
fencing token; a worker whose token is no longer the record's has lost the launch.
"""

from datetime import datetime
from typing import Any, Self

from common.contracts.sandbox import (
    Failure,
    LaunchEntry,
    LaunchPath,
    LaunchSkill,
    LaunchState,
    Phase,
    PhaseName,
    PhaseState,
    Receipt,
)
from pydantic import TypeAdapter

from sandbox_manager.errors import ClaimLostError
from sandbox_manager.model.record import Record, Right, Variable

ENTRY: TypeAdapter[LaunchEntry] = TypeAdapter(LaunchEntry)

RUNNING_STATES = frozenset({LaunchState.PENDING, LaunchState.RUNNING})


class Claim(Record):
    """A worker's short right to act on a launch."""

    worker: str
    token: int
    until: datetime


class AskedBy(Record):
    """A request that this launch answers: its idempotency key and what it asked."""

    key: str
    fingerprint: str = ""


class Launch(Record):
    id: str
    owner_id: str
    ref: str
    skill: LaunchSkill
    variables: tuple[Variable, ...] = ()
    verdict: str = "clear"
    report_digest: str = ""
    asked_by: tuple[AskedBy, ...]
    running_key: str
    state: LaunchState = LaunchState.PENDING
    path: LaunchPath | None = None
    phases: tuple[Phase, ...] = ()
    entries: tuple[LaunchEntry, ...] = ()
    claim: Claim
    is_cancel_requested: bool = False
    create_id: str | None = None
    error: Failure | None = None
    receipt: Receipt | None = None
    created_at: datetime
    ended_at: datetime | None = None
    traceparent: str | None = None
    revision: int = 0

    @property
    def right(self) -> Right:
        return Right(holder=self.id, token=self.claim.token)

    @property
    def is_ended(self) -> bool:
        return self.state not in RUNNING_STATES

    @property
    def duration_ms(self) -> int | None:
        return None if self.ended_at is None else _milliseconds(self.created_at, self.ended_at)

    def check_claim(self, token: int) -> None:
        if self.claim.token != token or self.is_ended:
            raise ClaimLostError(f"launch {self.id} is another worker's now")

    def is_due(self, now: datetime) -> bool:
        return not self.is_ended and self.claim.until <= now

    def claimed(self, worker: str, until: datetime) -> Self:
        claim = Claim(worker=worker, token=self.claim.token + 1, until=until)
        return self.model_copy(update={"claim": claim})

    def renewed(self, until: datetime) -> Self:
        return self.model_copy(update={"claim": self.claim.model_copy(update={"until": until})})

    def cancel_requested(self) -> Self | None:
        return None if self.is_ended else self.model_copy(update={"is_cancel_requested": True})

    def asked_again(self, asked: AskedBy) -> Self | None:
        if any(known.key == asked.key for known in self.asked_by):
            return None
        return self.model_copy(update={"asked_by": (*self.asked_by, asked)})

    def started(self, now: datetime) -> Self:
        entry = {"type": "launch.started", "path": self.path, "skill": self.skill}
        return self._with_entry(now, entry, state=LaunchState.RUNNING)

    def planned(self, path: LaunchPath, now: datetime, reason: str = "") -> Self:
        entry = {"type": "launch.planned", "path": path, "reason": reason}
        return self._with_entry(now, entry, path=path)

    def noticed(self, text: str, now: datetime) -> Self:
        return self._with_entry(now, {"type": "notice", "text": text})

    def phase_started(self, name: PhaseName, now: datetime) -> Self:
        phase = Phase(name=name, state=PhaseState.RUNNING, started_at=now)
        return self._with_entry(
            now, {"type": "phase.started", "phase": name}, phases=self._with_phase(phase)
        )

    def phase_completed(self, name: PhaseName, now: datetime, detail: str = "") -> Self:
        phase = self._ended_phase(name, now, PhaseState.DONE, detail)
        entry = {
            "type": "phase.completed",
            "phase": name,
            "duration_ms": _milliseconds(phase.started_at, now),
            "detail": detail,
        }
        return self._with_entry(now, entry, phases=self._with_phase(phase))

    def phase_failed(self, name: PhaseName, now: datetime, detail: str) -> Self:
        phase = self._ended_phase(name, now, PhaseState.FAILED, detail)
        entry = {"type": "phase.failed", "phase": name, "detail": detail}
        return self._with_entry(now, entry, phases=self._with_phase(phase))

    def ended(
        self,
        state: LaunchState,
        now: datetime,
        *,
        error: Failure | None = None,
        receipt: Receipt | None = None,
    ) -> Self:
        """The last entry; a later launch of the same skill is a new one."""
        entry = {"type": "launch.ended", "state": state, "path": self.path, "error": error}
        return self._with_entry(
            now,
            entry,
            state=state,
            error=error,
            receipt=receipt,
            ended_at=now,
            running_key=self.id,
            phases=tuple(_closed(phase, now) for phase in self.phases),
        )

    def _with_entry(self, now: datetime, entry: dict[str, Any], **changes: Any) -> Self:
        made = ENTRY.validate_python({**entry, "seq": len(self.entries) + 1, "at": now})
        return self.model_copy(update={"entries": (*self.entries, made), **changes})

    def _with_phase(self, phase: Phase) -> tuple[Phase, ...]:
        """A phase done again by a worker that took over stands where it stood."""
        if all(known.name != phase.name for known in self.phases):
            return (*self.phases, phase)
        return tuple(phase if known.name == phase.name else known for known in self.phases)

    def _ended_phase(self, name: PhaseName, now: datetime, state: PhaseState, text: str) -> Phase:
        begun = next((phase for phase in self.phases if phase.name == name), None)
        started_at = begun.started_at if begun is not None else now
        return Phase(name=name, state=state, started_at=started_at, ended_at=now, detail=text)


def _closed(phase: Phase, now: datetime) -> Phase:
    """A phase that was under way when the launch ended did not succeed."""
    if phase.state is not PhaseState.RUNNING:
        return phase
    return phase.model_copy(update={"state": PhaseState.FAILED, "ended_at": now})


def running_key(owner_id: str, skill: LaunchSkill) -> str:
    """Unique among launches that run: two of one skill by one owner are the same launch."""
    return f"{owner_id}:{skill.directory}:{skill.digest}"


def _milliseconds(start: datetime, end: datetime) -> int:
    return round((end - start).total_seconds() * 1000)
