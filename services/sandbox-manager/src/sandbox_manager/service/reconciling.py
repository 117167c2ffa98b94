"""Bringing records and provider together: every sandbox at the provider is recorded, adopted or
deleted, every record is true, and none runs for nobody.

Only sandboxes with this deployment's label are ever touched, and none that is in use.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from common.clock import Clock
from common.contracts.events import SANDBOX_STOPPED
from common.contracts.sandbox import SandboxState
from common.errors import AppError, ConflictError
from common.metrics.table import RECONCILED

from sandbox_manager.model.balance import Finding, Remedy
from sandbox_manager.model.idle import IdlePolicy
from sandbox_manager.model.provided import CREATE_LABEL, IMAGE_LABEL, ProvidedState
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.ports.own import Sealer
from sandbox_manager.ports.provider import SandboxProvider
from sandbox_manager.ports.stores import Accounts, Orphans, Sandboxes
from sandbox_manager.service.creating import sandbox_event
from sandbox_manager.service.overdue import Overdue
from sandbox_manager.service.preparing import new_agent_token
from sandbox_manager.service.removing import Removal
from sandbox_manager.service.reserving import reserved
from sandbox_manager.service.stopping import Stopping
from sandbox_manager.service.surveying import Survey

logger = logging.getLogger(__name__)

# Longer than the provider keeps a sandbox that nobody starts: until then a late one may turn up.
_ACCOUNT_KEPT = timedelta(days=14)


@dataclass(frozen=True)
class Reconciliation:
    provider: SandboxProvider
    sandboxes: Sandboxes
    orphans: Orphans
    accounts: Accounts
    sealer: Sealer
    removal: Removal
    stopping: Stopping
    overdue: Overdue
    idle: IdlePolicy
    clock: Clock

    async def act(self, survey: Survey) -> AsyncIterator[tuple[Finding, bool]]:
        """Apply each remedy and say whether it was; records are read again, and a change in
        between wins.
        """
        await self.orphans.keep(survey.strangers, self.clock())
        for finding in survey.findings:
            yield finding, await self._is_done(finding)
        before = self.clock() - _ACCOUNT_KEPT
        await self.accounts.forget_unused(await self._accounts_in_use(), before)

    async def _accounts_in_use(self) -> list[str]:
        return [record.account for record in await self.sandboxes.existing()]

    async def _is_done(self, finding: Finding) -> bool:
        facts = {"sandbox_id": finding.sandbox_id, "owner_id": finding.owner_id}
        try:
            is_done = await self._apply(finding)
        except ConflictError:
            # In use or changing by now: the next look finds what is left to do.
            return False
        except AppError as exc:
            logger.warning("%s failed: %s", finding.remedy, exc.detail, extra=facts)
            return False
        if is_done:
            RECONCILED.add(remedy=finding.remedy)
            logger.info("reconciled: %s, %s", finding.remedy, finding.detail, extra=facts)
        return is_done

    async def _apply(self, finding: Finding) -> bool:
        remedies: dict[Remedy, Callable[[Finding], Awaitable[bool]]] = {
            Remedy.NOTE_GONE: self._note_gone,
            Remedy.NOTE_STOPPED: self._note_stopped,
            Remedy.STOP: self._stop,
            Remedy.STOP_IDLE: self._stop_idle,
            Remedy.ADOPT: self._adopt,
            Remedy.DELETE: self._delete,
            Remedy.FREE_LOCK: self.overdue.act,
            Remedy.FINISH_DELETION: self.overdue.act,
        }
        remedy = remedies.get(finding.remedy)
        return remedy is not None and await remedy(finding)

    async def _stop_idle(self, finding: Finding) -> bool:
        return await self.stopping.run(finding.owner_id, "idle", only_if=self._is_idle)

    async def _delete(self, finding: Finding) -> bool:
        await self.provider.delete(finding.sandbox_id)
        return True

    def _is_idle(self, sandbox: Sandbox) -> bool:
        return self.idle.is_idle(sandbox, self.clock())

    async def _note_gone(self, finding: Finding) -> bool:
        changed = await self.sandboxes.apply(
            finding.owner_id,
            lambda record: (
                record.found_gone() if record.provider_id == finding.sandbox_id else None
            ),
        )
        return changed is not None and await self.removal.run(finding.owner_id)

    async def _note_stopped(self, finding: Finding) -> bool:
        sandbox = await self.sandboxes.get(finding.owner_id)
        event = sandbox_event(SANDBOX_STOPPED, sandbox, SandboxState.STOPPED, self.clock(), "idle")
        changed = await self.sandboxes.apply(
            finding.owner_id,
            lambda record: (
                record.found_stopped() if record.provider_id == finding.sandbox_id else None
            ),
            event=event,
        )
        return changed is not None

    async def _stop(self, finding: Finding) -> bool:
        """Runs although it was stopped; nobody can wake it meanwhile."""

        def is_still_stopped(sandbox: Sandbox) -> bool:
            is_same = sandbox.provider_id == finding.sandbox_id
            return is_same and sandbox.state is SandboxState.STOPPED

        async with reserved(
            self.sandboxes, finding.owner_id, self.clock, only_if=is_still_stopped
        ) as held:
            if held is not None:
                await self.provider.stop(finding.sandbox_id)
        return held is not None

    async def _adopt(self, finding: Finding) -> bool:
        """Stopped; what is in it is read from its own manifest when it is woken."""
        await self.provider.stop(finding.sandbox_id)
        found = await self.provider.find(finding.sandbox_id)
        if found is None or found.state is not ProvidedState.STOPPED:
            return False
        token, now = new_agent_token(self.sealer, finding.owner_id), self.clock()
        changed = await self.sandboxes.apply(
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
        return changed is not None
