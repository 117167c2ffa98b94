"""Looking at records and provider together: what each says, where they differ, and the balance.

Changes nothing.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.clock import Clock
from common.contracts.sandbox import SandboxState
from common.errors import AppError

from sandbox_manager.model.account import OPERATORS
from sandbox_manager.model.balance import (
    Balance,
    Finding,
    Remedy,
    balance,
    doubtful_records,
    judge_record,
    judge_stranger,
    unexplained,
)
from sandbox_manager.model.idle import IdlePolicy
from sandbox_manager.model.provided import DEPLOYMENT_LABEL, OWNER_LABEL, ProvidedSandbox
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.ports.provider import SandboxProvider
from sandbox_manager.ports.stores import Orphans, Sandboxes
from sandbox_manager.service.overdue import Overdue


@dataclass(frozen=True)
class Survey:
    """`strangers` are the ids of sandboxes that no record explains, `states` counts records."""

    findings: tuple[Finding, ...]
    strangers: tuple[str, ...]
    balance: Balance
    states: Counter[SandboxState]


@dataclass(frozen=True)
class View:
    """Both sides as they were seen last, by owner and by the provider's id."""

    records: dict[str, Sandbox]
    there: dict[str, ProvidedSandbox]


@dataclass(frozen=True)
class Surveying:
    deployment_id: str
    provider: SandboxProvider
    sandboxes: Sandboxes
    orphans: Orphans
    overdue: Overdue
    idle: IdlePolicy
    grace: timedelta
    clock: Clock

    async def run(self) -> Survey:
        """Ask the provider about each sandbox that is in doubt, whatever its list says."""
        records = await self.sandboxes.existing()
        listed = await self.provider.list({DEPLOYMENT_LABEL: self.deployment_id})
        view = View(
            {record.owner_id: record for record in records},
            {sandbox.id: sandbox for sandbox in listed},
        )
        drifts = await asyncio.gather(
            *(self._drift(view, record) for record in doubtful_records(records, listed))
        )
        strangers = await self._strangers(view, unexplained(records, listed))
        findings = [*drifts, *strangers, *self._idle(view), *await self.overdue.find()]
        strange = tuple(one.sandbox_id for one in strangers if one.remedy is not Remedy.NONE)
        return Survey(
            findings=tuple(found for found in findings if found.remedy is not Remedy.NONE),
            strangers=strange,
            balance=balance(view.records.values(), list(view.there.values()), len(strange)),
            states=Counter(record.state for record in view.records.values()),
        )

    async def _drift(self, view: View, record: Sandbox) -> Finding:
        sandbox_id = record.provider_id or ""
        try:
            found = await self._found(view, sandbox_id)
        except AppError as exc:
            if record.account == OPERATORS:
                raise
            # An owner's account that does not answer keeps nobody else waiting, nor counts.
            view.records.pop(record.owner_id, None)
            return Finding(Remedy.WAIT, record.owner_id, sandbox_id, exc.detail)
        fresh = await self._record(view, record.owner_id)
        if fresh is None or fresh.create_id != record.create_id:
            return Finding(Remedy.NONE, record.owner_id, sandbox_id, "another now")
        return judge_record(fresh, found, self.clock())

    async def _strangers(self, view: View, listed: Sequence[ProvidedSandbox]) -> list[Finding]:
        since = await self.orphans.since([sandbox.id for sandbox in listed])
        judged = await asyncio.gather(
            *(self._stranger(view, sandbox.id, since.get(sandbox.id)) for sandbox in listed)
        )
        return [finding for finding in judged if finding is not None]

    async def _stranger(
        self, view: View, sandbox_id: str, since: datetime | None
    ) -> Finding | None:
        """None when the list was late and it is gone, or it never was ours."""
        found = await self._found(view, sandbox_id)
        if found is None:
            return None
        owner_id, now = found.labels.get(OWNER_LABEL), self.clock()
        record = await self._record(view, owner_id) if owner_id else None
        return judge_stranger(
            record, found, owner_id=owner_id, since=since or now, now=now, grace=self.grace
        )

    def _idle(self, view: View) -> list[Finding]:
        return [
            Finding(Remedy.STOP_IDLE, record.owner_id, record.provider_id or "", "nobody uses it")
            for record in view.records.values()
            if self.idle.is_idle(record, self.clock())
        ]

    async def _found(self, view: View, sandbox_id: str) -> ProvidedSandbox | None:
        found = await self.provider.find(sandbox_id)
        if found is None or found.labels.get(DEPLOYMENT_LABEL) != self.deployment_id:
            view.there.pop(sandbox_id, None)
            return None
        view.there[sandbox_id] = found
        return found

    async def _record(self, view: View, owner_id: str) -> Sandbox | None:
        """The record as it is now; None where the owner has none."""
        record = await self.sandboxes.get(owner_id)
        if record.state is SandboxState.ABSENT:
            view.records.pop(owner_id, None)
        else:
            view.records[owner_id] = record
        return record if record.revision > 0 else None
