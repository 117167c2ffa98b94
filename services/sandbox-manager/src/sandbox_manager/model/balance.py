"""What the provider's list and our records say about each other.

The list is eventually consistent, so it proves nothing: it only says which sandboxes to ask about
one by one. `judge` decides from the provider's answer about one sandbox.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from common.contracts.sandbox import SandboxState

from sandbox_manager.model.provided import ProvidedSandbox, ProvidedState
from sandbox_manager.model.sandbox import Sandbox


class Remedy(StrEnum):
    """What brings record and provider together."""

    NONE = "none"
    NOTE_GONE = "note_gone"
    NOTE_STOPPED = "note_stopped"
    STOP = "stop"
    ADOPT = "adopt"
    DELETE = "delete"
    WAIT = "wait"


@dataclass(frozen=True)
class Finding:
    """One sandbox about which record and provider disagree."""

    remedy: Remedy
    owner_id: str
    sandbox_id: str
    detail: str


@dataclass(frozen=True)
class Balance:
    """`billed = recorded + explained`, when nothing is wrong."""

    billed: int
    recorded: int
    explained: int

    @property
    def unexplained(self) -> int:
        return self.billed - self.recorded - self.explained


AGREED: Mapping[SandboxState, frozenset[ProvidedState]] = {
    SandboxState.ACTIVE: frozenset({ProvidedState.STARTED}),
    SandboxState.STOPPED: frozenset({ProvidedState.STOPPED}),
    SandboxState.CREATING: frozenset(ProvidedState),
    SandboxState.DELETING: frozenset(ProvidedState),
}
"""A creation or deletion under way is its worker's business, whatever the provider says."""


def explains(record: Sandbox, sandbox: ProvidedSandbox) -> bool:
    """A create that has not heard its answer knows the name only."""
    if record.provider_id is not None:
        return record.provider_id == sandbox.id
    return record.provider_name == sandbox.name


def doubtful_records(
    records: Iterable[Sandbox], listed: Sequence[ProvidedSandbox]
) -> list[Sandbox]:
    """Records that the list does not confirm."""
    states = {sandbox.id: sandbox.state for sandbox in listed}
    return [
        record
        for record in records
        if record.state in {SandboxState.ACTIVE, SandboxState.STOPPED}
        and states.get(record.provider_id or "") not in AGREED[record.state]
    ]


def unexplained(
    records: Iterable[Sandbox], listed: Sequence[ProvidedSandbox]
) -> list[ProvidedSandbox]:
    """Sandboxes in the list that no record explains."""
    known = list(records)
    return [
        sandbox for sandbox in listed if not any(explains(record, sandbox) for record in known)
    ]


def judge_record(record: Sandbox, found: ProvidedSandbox | None, now: datetime) -> Finding:
    """What to do about a record, given the provider's own answer about its sandbox."""
    if record.state not in {SandboxState.ACTIVE, SandboxState.STOPPED}:
        remedy, detail = Remedy.NONE, "changing"
    elif found is None:
        remedy, detail = Remedy.NOTE_GONE, "gone at the provider"
    elif found.state in AGREED[record.state] or found.state is ProvidedState.CHANGING:
        remedy, detail = Remedy.NONE, "agrees"
    else:
        remedy, detail = _drift(record, found, now)
    return Finding(remedy, record.owner_id, record.provider_id or "", detail)


def _drift(record: Sandbox, found: ProvidedSandbox, now: datetime) -> tuple[Remedy, str]:
    if found.state is ProvidedState.FAILED:
        return Remedy.WAIT, f"failed: {found.reason}"
    if record.state is SandboxState.ACTIVE:
        return Remedy.NOTE_STOPPED, "stopped by the provider"
    if record.is_held(now):
        return Remedy.NONE, "being woken"
    return Remedy.STOP, "runs although it was stopped"


def judge_stranger(
    record: Sandbox,
    sandbox: ProvidedSandbox,
    *,
    since: datetime,
    now: datetime,
    grace: timedelta,
) -> Finding:
    """What to do about a sandbox of this deployment that its owner's record does not explain.

    An owner without any record lost it, so the sandbox is adopted; one whose record says otherwise
    has the leftover of a create that failed: deleted after a while, in case the record is newer
    than the list.
    """
    if explains(record, sandbox):
        return Finding(Remedy.NONE, record.owner_id, sandbox.id, "recorded meanwhile")
    if record.revision == 0:
        return Finding(Remedy.ADOPT, record.owner_id, sandbox.id, "its owner has no record")
    if now - since < grace:
        return Finding(Remedy.WAIT, record.owner_id, sandbox.id, "unexplained, still in its grace")
    return Finding(Remedy.DELETE, record.owner_id, sandbox.id, "no record explains it")
