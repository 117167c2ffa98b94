"""What the provider's list and our records say about each other.

The list is eventually consistent, so it proves nothing: it only says which sandboxes to ask about
one by one. What to do is decided from the provider's answer about one sandbox. The balance is
counted from both sides, records here and sandboxes there, so that it can fail to hold.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from common.contracts.sandbox import SandboxState

from sandbox_manager.model.account import OPERATORS, place, plain
from sandbox_manager.model.provided import ProvidedSandbox, ProvidedState
from sandbox_manager.model.sandbox import RUNNABLE, Sandbox


class Remedy(StrEnum):
    """What brings record and provider together."""

    NONE = "none"
    WAIT = "wait"
    NOTE_GONE = "note_gone"
    NOTE_STOPPED = "note_stopped"
    STOP = "stop"
    STOP_IDLE = "stop_idle"
    ADOPT = "adopt"
    DELETE = "delete"
    FREE_LOCK = "free_lock"
    FINISH_DELETION = "finish_deletion"


@dataclass(frozen=True)
class Finding:
    """One sandbox about which record and provider disagree, or whose work lost its worker."""

    remedy: Remedy
    owner_id: str
    sandbox_id: str
    detail: str


@dataclass(frozen=True)
class Balance:
    """`billed = recorded + explained`, when nothing is wrong.

    `billed`: sandboxes that exist at the provider. `recorded`: records that account for one of
    them. `explained`: sandboxes without a record about which something is being done.
    """

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
        return plain(record.provider_id) == plain(sandbox.id)
    return plain(record.provider_name or "") == plain(sandbox.name)


def doubtful_records(
    records: Iterable[Sandbox], listed: Sequence[ProvidedSandbox]
) -> list[Sandbox]:
    """Records that the list does not confirm."""
    states = {plain(sandbox.id): sandbox.state for sandbox in listed}
    return [
        record
        for record in records
        if record.state in RUNNABLE
        and states.get(plain(record.provider_id or "")) not in AGREED[record.state]
    ]


def unexplained(
    records: Iterable[Sandbox], listed: Sequence[ProvidedSandbox]
) -> list[ProvidedSandbox]:
    """Sandboxes in the list that no record explains."""
    known = list(records)
    return [
        sandbox for sandbox in listed if not any(explains(record, sandbox) for record in known)
    ]


def balance(
    records: Iterable[Sandbox], there: Sequence[ProvidedSandbox], explained: int
) -> Balance:
    """Counted apart: a record that two sandboxes claim, say, leaves one of them unexplained."""
    recorded = sum(any(explains(record, sandbox) for sandbox in there) for record in records)
    return Balance(len(there), recorded, explained)


def judge_overdue(record: Sandbox, now: datetime) -> Finding | None:
    """Work on a record that lost its worker."""
    sandbox_id = record.provider_id or record.provider_name or ""
    if record.lock is not None and record.lock.is_stale(now):
        detail = f"no progress of {record.lock.holder} for five minutes"
        return Finding(Remedy.FREE_LOCK, record.owner_id, sandbox_id, detail)
    if record.state is SandboxState.DELETING:
        return Finding(Remedy.FINISH_DELETION, record.owner_id, sandbox_id, "being deleted")
    return None


def judge_record(record: Sandbox, found: ProvidedSandbox | None, now: datetime) -> Finding:
    """What to do about a record, given the provider's own answer about its sandbox."""
    if record.state not in RUNNABLE:
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
        # Its disk may be all that its owner has: only they decide that it goes.
        return Remedy.WAIT, f"failed at the provider: {found.reason}"
    if record.state is SandboxState.ACTIVE:
        return Remedy.NOTE_STOPPED, "stopped by the provider"
    if record.is_held(now):
        return Remedy.NONE, "being woken"
    return Remedy.STOP, "runs although it was stopped"


def judge_stranger(
    record: Sandbox | None,
    sandbox: ProvidedSandbox,
    *,
    owner_id: str | None,
    since: datetime,
    now: datetime,
    grace: timedelta,
) -> Finding:
    """What to do about a sandbox of this deployment that no record explains; `owner_id` is whom
    its labels name, `record` that owner's, None where there is none.

    An owner without any record lost it, so the sandbox is adopted; one whose record says otherwise
    has the leftover of a create that failed: deleted after a while, in case the record is newer
    than the list. So is what belongs to nobody, such as the sandbox of a snapshot's check. In an
    owner's own account nothing is touched but what a record here accounts for.
    """
    is_own = place(sandbox.id)[0] != OPERATORS
    if record is not None and explains(record, sandbox):
        remedy, detail = Remedy.NONE, "recorded meanwhile"
    elif record is None and is_own:
        remedy, detail = Remedy.WAIT, "in an owner's own account, and left there"
    elif record is None and owner_id:
        remedy, detail = Remedy.ADOPT, "its owner has no record"
    elif now - since < grace:
        remedy, detail = Remedy.WAIT, "unexplained, still in its grace"
    else:
        remedy, detail = Remedy.DELETE, "no record explains it"
    return Finding(remedy, owner_id or "", sandbox.id, detail)
