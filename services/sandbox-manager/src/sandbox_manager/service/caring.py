"""Bringing an agent up, whoever needs it: a launch, or a turn that finds the sandbox asleep.

The caller holds the agent's slot, or the whole sandbox, as `right`; `step` lets a launch tell and
repeat each step.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from common.clock import Clock
from common.contracts.events import SANDBOX_STARTED
from common.contracts.sandbox import SandboxState

from sandbox_manager.errors import (
    AgentLostError,
    ProviderUnavailableError,
    SandboxBrokenError,
    SandboxGoneError,
    SandboxStoppedError,
)
from sandbox_manager.model.directory import slot
from sandbox_manager.model.plan import AGENT_PORT, is_preview_fresh
from sandbox_manager.model.provided import ProvidedState
from sandbox_manager.model.record import Installed, Right
from sandbox_manager.model.sandbox import AGENT_SLOT, Sandbox
from sandbox_manager.model.steps import Step
from sandbox_manager.ports.inside import Inside
from sandbox_manager.ports.own import Sleep
from sandbox_manager.ports.provider import SandboxProvider
from sandbox_manager.ports.stores import Sandboxes
from sandbox_manager.service.configuring import Wanted
from sandbox_manager.service.creating import sandbox_event
from sandbox_manager.service.persisting import Persistence
from sandbox_manager.service.preparing import Changes, Preparation, RelayToken

RunStep = Callable[[Step, Callable[[], Awaitable[Any]]], Awaitable[Any]]


@dataclass(frozen=True)
class AgentCare:
    """Without `step`, a step that nobody watches is made, and made again where that may help."""

    provider: SandboxProvider
    inside: Inside
    sandboxes: Sandboxes
    preparation: Preparation
    clock: Clock
    sleep: Sleep = asyncio.sleep

    async def woken(self, sandbox: Sandbox, right: Right, step: RunStep | None = None) -> Sandbox:
        """The sandbox runs again; its agent does not yet."""
        if sandbox.state is not SandboxState.STOPPED:
            return sandbox
        known = await self._step(step)(Step.START_SANDBOX, lambda: self._started(sandbox))
        event = sandbox_event(SANDBOX_STARTED, sandbox, SandboxState.ACTIVE, self.clock())
        changed = await self.sandboxes.apply(
            sandbox.owner_id,
            lambda record: record.woken(right, self.clock(), **known),
            event=event,
        )
        return there(changed)

    async def _started(self, sandbox: Sandbox) -> Changes:
        """What an adopted sandbox brings along. Which variables a skill may have is not taken from
        a disk that the agent writes: a launch says that again.
        """
        sandbox_id = sandbox.provider_id or ""
        await self.provider.start(sandbox_id)
        if sandbox.is_inside_known:
            return {}
        found = await self.inside.manifest(sandbox_id)
        skills = {
            slot(one.skill.directory): Installed(skill=one.skill, installed_at=one.installed_at)
            for one in found
        }
        return {"skills": skills, "is_inside_known": True}

    async def configured(
        self, sandbox: Sandbox, right: Right, wanted: Wanted, step: RunStep | None = None
    ) -> Sandbox:
        """Give the agent the config it should have; new variables mean a new process. The slot is
        held alone, so no answer is cut.
        """
        if sandbox.environment_hash != wanted.environment_hash:
            return await self.restarted(sandbox, right, wanted, step)
        sandbox, token = await self._with_token(sandbox, right)
        changes = await self._step(step)(
            Step.CONFIGURE, lambda: self.preparation.write_config(sandbox, wanted, token)
        )
        return await self.under_slot(sandbox, right, changes)

    async def restarted(
        self, sandbox: Sandbox, right: Right, wanted: Wanted, step: RunStep | None = None
    ) -> Sandbox:
        """A new process with today's config and variables; its address is signed where it is
        old.
        """
        token = None
        if sandbox.config_hash != wanted.config_hash:
            sandbox, token = await self._with_token(sandbox, right)
        process, changes = await self._step(step)(
            Step.CONFIGURE, lambda: self.preparation.configure(sandbox, wanted, token)
        )
        changes |= await self._step(step)(
            Step.START_AGENT, lambda: self.preparation.start_agent(sandbox, process)
        )
        changed = await self.under_slot(sandbox, right, changes)
        # What is left of the process before it disturbs nobody.
        with contextlib.suppress(ProviderUnavailableError):
            await self.preparation.end_process(sandbox, sandbox.agent_process)
        changed = await self.signed(changed, AGENT_PORT, step)
        seen = await self._step(step)(
            Step.CHECK_AGENT, lambda: self.preparation.check_agent(changed)
        )
        return await self.under_slot(changed, right, seen)

    async def _with_token(self, sandbox: Sandbox, right: Right) -> tuple[Sandbox, RelayToken]:
        """A relay token that is known before the agent can use it."""
        token = RelayToken.mint()
        tokens = {"relay_tokens": token.added_to(sandbox)}
        return await self.under_slot(sandbox, right, tokens), token

    async def check_dead(
        self, sandbox: Sandbox, step: RunStep | None = None, *, asked_by: str | None = None
    ) -> None:
        """Raise unless the agent may be started again: the sandbox runs, and the process has died
        or nobody uses it but the turn that asks, which did not reach it.
        """
        await self._step(step)(Step.LOOK, lambda: self._check_dead(sandbox, asked_by))

    def _step(self, step: RunStep | None) -> RunStep:
        return step or self._unwatched

    async def _unwatched(self, _: Step, call: Callable[[], Awaitable[Any]]) -> Any:
        return await Persistence(self.clock, self.sleep).run(call)

    async def _check_dead(self, sandbox: Sandbox, asked_by: str | None) -> None:
        await self._check_running(sandbox)
        look = await self.inside.look(sandbox.provider_id or "", directory=None, workspace=None)
        leases = sandbox.live_leases(self.clock())
        if look.is_agent_alive and any(
            asked_by is None or lease.turn_id != asked_by for lease in leases
        ):
            message = "the agent does not answer while it works for another tab"
            raise AgentLostError(message)

    async def signed(self, sandbox: Sandbox, port: int, step: RunStep | None = None) -> Sandbox:
        """With a fresh address for `port`."""
        if is_preview_fresh(sandbox, port, self.clock()):
            return sandbox
        access = await self._step(step)(Step.SIGN, lambda: self.preparation.sign(sandbox, port))
        changed = await self.sandboxes.apply(
            sandbox.owner_id,
            lambda record: (
                record.with_changes(previews={**record.previews, str(port): access})
                if record.create_id == sandbox.create_id and record.state is SandboxState.ACTIVE
                else None
            ),
        )
        if changed is None:
            message = "the sandbox was stopped meanwhile"
            raise SandboxStoppedError(message)
        return changed

    async def under_slot(self, sandbox: Sandbox, right: Right, changes: Changes) -> Sandbox:
        changed = await self.sandboxes.apply(
            sandbox.owner_id, lambda record: record.under_hold(AGENT_SLOT, right, **changes)
        )
        return there(changed)

    async def _check_running(self, sandbox: Sandbox) -> None:
        """Ask the provider itself, and correct the record, before anything is done about it."""
        same = sandbox.create_id
        found = await self.provider.find(sandbox.provider_id or "")
        if found is None:
            await self.sandboxes.apply(
                sandbox.owner_id, lambda now: now.found_gone() if now.create_id == same else None
            )
            message = "the sandbox no longer exists; launch the skill again"
            raise SandboxGoneError(message)
        if found.state is ProvidedState.STOPPED:
            await self.sandboxes.apply(
                sandbox.owner_id,
                lambda now: now.found_stopped() if now.create_id == same else None,
            )
            message = "the sandbox was stopped; try again"
            raise SandboxStoppedError(message)
        if found.state is ProvidedState.FAILED:
            raise SandboxBrokenError.because(found.reason)


def there(sandbox: Sandbox | None) -> Sandbox:
    if sandbox is None:
        message = "the sandbox's record is gone"
        raise AgentLostError(message)
    return sandbox
