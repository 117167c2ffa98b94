"""Bringing records and provider together: every sandbox at the provider is recorded, adopted or
deleted, and every record is true.

Only sandboxes with this deployment's label are ever touched, and none that is in use.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta

from common.clock import Clock
from common.contracts.events import SANDBOX_STOPPED
from common.contracts.sandbox import SandboxState
from common.errors import AppError

from sandbox_manager.errors import SandboxBusyError
from sandbox_manager.model.balance import (
    Balance,
    Finding,
    Remedy,
    doubtful_records,
    judge_record,
    judge_stranger,
    unexplained,
)
from sandbox_manager.model.provided import (
    CREATE_LABEL,
    DEPLOYMENT_LABEL,
    IMAGE_LABEL,
    OWNER_LABEL,
    ProvidedSandbox,
    ProvidedState,
)
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.ports.own import Sealer
from sandbox_manager.ports.provider import SandboxProvider
from sandbox_manager.ports.stores import Orphans, Sandboxes
from sandbox_manager.service.creating import sandbox_event
from sandbox_manager.service.preparing import new_agent_token
from sandbox_manager.service.removing import Removal

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Survey:
    """What was found, before anything is done about it."""

    findings: tuple[Finding, ...]
    balance: Balance


@dataclass(frozen=True)
class Reconciliation:
    deployment_id: str
    provider: SandboxProvider
    sandboxes: Sandboxes
    orphans: Orphans
    sealer: Sealer
    removal: Removal
    grace: timedelta
    clock: Clock

    async def survey(self) -> Survey:
        """Look, and ask the provider about each sandbox that is in doubt. Changes nothing that
        others see.
        """
        records = await self.sandboxes.existing()
        listed = await self.provider.list({DEPLOYMENT_LABEL: self.deployment_id})
        strangers = unexplained(records, listed)
        await self.orphans.forget_others([sandbox.id for sandbox in strangers])
        doubts, strange = await asyncio.gather(
            asyncio.gather(*map(self._judged_record, doubtful_records(records, listed))),
            asyncio.gather(*map(self._judged_stranger, strangers)),
        )
        there = [finding for finding in strange if finding is not None]
        explained = sum(finding.remedy is not Remedy.NONE for finding in there)
        billed = len(listed) - len(strange) + len(there)
        findings = [finding for finding in (*doubts, *there) if finding.remedy is not Remedy.NONE]
        return Survey(tuple(findings), Balance(billed, billed - explained, explained))

    async def act(self, finding: Finding) -> bool:
        """Apply one remedy; the record is read again, and a change in between wins."""
        if finding.remedy in {Remedy.NONE, Remedy.WAIT}:
            return False
        try:
            await self._apply(finding)
        except SandboxBusyError:
            return False
        except AppError as exc:
            logger.warning("%s of %s failed: %s", finding.remedy, finding.sandbox_id, exc.detail)
            return False
        facts = {"sandbox_id": finding.sandbox_id, "owner_id": finding.owner_id}
        logger.info("reconciled: %s, %s", finding.remedy, finding.detail, extra=facts)
        return True

    async def _apply(self, finding: Finding) -> None:
        match finding.remedy:
            case Remedy.NOTE_GONE:
                await self._note_gone(finding)
            case Remedy.NOTE_STOPPED:
                await self._note_stopped(finding)
            case Remedy.STOP:
                await self.provider.stop(finding.sandbox_id)
            case Remedy.ADOPT:
                await self._adopt(finding)
            case Remedy.DELETE:
                await self.provider.delete(finding.sandbox_id)
            case Remedy.NONE | Remedy.WAIT:
                pass

    async def _judged_record(self, record: Sandbox) -> Finding:
        found = await self.provider.find(record.provider_id or "")
        fresh = await self.sandboxes.get(record.owner_id)
        if fresh.create_id != record.create_id:
            return Finding(Remedy.NONE, record.owner_id, record.provider_id or "", "another now")
        return judge_record(fresh, found, self.clock())

    async def _judged_stranger(self, sandbox: ProvidedSandbox) -> Finding | None:
        """None when the list was late and it is gone."""
        found = await self.provider.find(sandbox.id)
        if found is None or found.labels.get(DEPLOYMENT_LABEL) != self.deployment_id:
            return None
        record = await self.sandboxes.get(sandbox.labels.get(OWNER_LABEL, ""))
        now = self.clock()
        since = await self.orphans.seen(sandbox.id, now)
        return judge_stranger(record, found, since=since, now=now, grace=self.grace)

    async def _note_gone(self, finding: Finding) -> None:
        changed = await self.sandboxes.apply(
            finding.owner_id,
            lambda record: (
                record.found_gone() if record.provider_id == finding.sandbox_id else None
            ),
        )
        if changed is not None:
            await self.removal.run(finding.owner_id)

    async def _note_stopped(self, finding: Finding) -> None:
        sandbox = await self.sandboxes.get(finding.owner_id)
        event = sandbox_event(SANDBOX_STOPPED, sandbox, SandboxState.STOPPED, self.clock(), "idle")
        await self.sandboxes.apply(
            finding.owner_id,
            lambda record: (
                record.found_stopped() if record.provider_id == finding.sandbox_id else None
            ),
            event=event,
        )

    async def _adopt(self, finding: Finding) -> None:
        """Stopped, with nothing known of what is in it: the next launch puts everything anew."""
        await self.provider.stop(finding.sandbox_id)
        found = await self.provider.find(finding.sandbox_id)
        if found is None or found.state is not ProvidedState.STOPPED:
            return
        token = new_agent_token(self.sealer, finding.owner_id)
        now = self.clock()
        await self.sandboxes.apply(
            finding.owner_id,
            lambda record: record.adopted(
                now,
                provider_id=found.id,
                provider_name=found.name,
                create_id=found.labels.get(CREATE_LABEL, ""),
                image=found.labels.get(IMAGE_LABEL),
                sealed_agent_token=token,
            ),
        )
