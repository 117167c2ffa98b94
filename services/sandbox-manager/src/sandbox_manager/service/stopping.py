"""Stopping a sandbox: by its owner's wish, or because nobody uses it."""

from collections.abc import Callable
from dataclasses import dataclass

from common.clock import Clock
from common.contracts.events import SANDBOX_STOPPED
from common.contracts.sandbox import SandboxState

from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.model.steps import Step
from sandbox_manager.ports.own import StepProbe
from sandbox_manager.ports.provider import SandboxProvider
from sandbox_manager.ports.stores import Sandboxes
from sandbox_manager.service.creating import sandbox_event
from sandbox_manager.service.reserving import reserved


@dataclass(frozen=True)
class Stopping:
    provider: SandboxProvider
    sandboxes: Sandboxes
    clock: Clock
    probe: StepProbe

    async def run(
        self, owner_id: str, reason: str, *, only_if: Callable[[Sandbox], bool] = lambda _: True
    ) -> bool:
        """Stop it, if it runs and `only_if` holds; whether it was.

        The record says `stopped` only when the provider has: a process that dies in between leaves
        a hold that ends, and a difference that the next look finds. Raises SandboxInUseError or
        SandboxBusyError.
        """

        def is_wanted(sandbox: Sandbox) -> bool:
            return sandbox.state is SandboxState.ACTIVE and only_if(sandbox)

        async with reserved(self.sandboxes, owner_id, self.clock, only_if=is_wanted) as held:
            if held is None:
                return False
            await self.probe.at(Step.STOP_SANDBOX, "before")
            await self.provider.stop(held.sandbox.provider_id or "")
            await self.probe.at(Step.STOP_SANDBOX, "after")
            now = self.clock()
            event = sandbox_event(SANDBOX_STOPPED, held.sandbox, SandboxState.STOPPED, now, reason)
            changed = await self.sandboxes.apply(
                owner_id, lambda record: record.stopped(held.right), event=event
            )
        return changed is not None
