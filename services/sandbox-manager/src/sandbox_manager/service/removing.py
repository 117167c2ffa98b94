"""Deleting what a record says exists, until the provider knows nothing of it."""

import asyncio
import logging
from datetime import timedelta

from common.clock import Clock
from common.contracts.events import SANDBOX_DELETED
from common.contracts.sandbox import SandboxState

from sandbox_manager.errors import AccountRefusedError, SandboxBusyError
from sandbox_manager.model.account import OPERATORS
from sandbox_manager.model.provided import ProvidedSandbox
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.model.steps import Step
from sandbox_manager.ports.own import Sleep, StepProbe
from sandbox_manager.ports.provider import SandboxProvider
from sandbox_manager.ports.stores import Sandboxes
from sandbox_manager.service.creating import sandbox_event

logger = logging.getLogger(__name__)

_POLL_S = 0.3


class Removal:
    def __init__(
        self,
        *,
        provider: SandboxProvider,
        sandboxes: Sandboxes,
        clock: Clock,
        probe: StepProbe,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._provider = provider
        self._sandboxes = sandboxes
        self._clock = clock
        self._probe = probe
        self._sleep = sleep

    async def run(self, owner_id: str, within: timedelta = timedelta(seconds=30)) -> bool:
        """Delete at the provider, then make the record absent. May run twice at once; False: not
        gone yet, another turn of the loop goes on.

        In an owner's own account that does not let us in any more the sandbox is theirs to delete.
        """
        sandbox = await self._sandboxes.get(owner_id)
        if sandbox.state is not SandboxState.DELETING:
            return True
        deadline = self._clock() + within
        reason = ""
        try:
            while (found := await self._found(sandbox)) is not None:
                await self._delete(found)
                if self._clock() >= deadline:
                    return False
                await self._sleep(_POLL_S)
        except AccountRefusedError:
            if sandbox.account == OPERATORS:
                raise
            logger.warning("owner %s closed their account to us", owner_id)
            reason = "left_in_own_account"
        event = sandbox_event(SANDBOX_DELETED, sandbox, SandboxState.ABSENT, self._clock(), reason)
        await self._sandboxes.apply(
            owner_id, lambda record: _removed(record, sandbox), event=event
        )
        return True

    async def _found(self, sandbox: Sandbox) -> ProvidedSandbox | None:
        """By id, and by name: a create that lost its answer left a name only."""
        for known in (sandbox.provider_id, sandbox.provider_name):
            found = await self._provider.find(known) if known else None
            if found is not None:
                return found
        return None

    async def _delete(self, found: ProvidedSandbox) -> None:
        await self._probe.at(Step.DELETE_SANDBOX, "before")
        try:
            await self._provider.delete(found.id)
        except SandboxBusyError:
            logger.info("sandbox %s is changing state; deleting it again", found.id)
        await self._probe.at(Step.DELETE_SANDBOX, "after")


def _removed(record: Sandbox, sandbox: Sandbox) -> Sandbox | None:
    is_same = record.create_id == sandbox.create_id and record.state is SandboxState.DELETING
    return record.removed() if is_same else None
