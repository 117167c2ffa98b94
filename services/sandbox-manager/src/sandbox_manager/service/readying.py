"""Making an owner's sandbox ready for a turn: running, its agent answering, nothing left to do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from common.clock import Clock
from common.contracts.sandbox import SandboxState
from common.errors import AppError, ErrorCode, NotFoundError
from common.ids import new_id

from sandbox_manager.errors import SandboxBusyError, SandboxStoppedError
from sandbox_manager.model.plan import AGENT_PORT, is_preview_fresh
from sandbox_manager.model.record import Right
from sandbox_manager.model.sandbox import AGENT_SLOT, Sandbox
from sandbox_manager.ports.own import Sleep
from sandbox_manager.ports.stores import Sandboxes
from sandbox_manager.service.caring import AgentCare
from sandbox_manager.service.configuring import Configs, OwnerFacts, Wanted
from sandbox_manager.service.preparing import Preparation

RETRY = timedelta(seconds=10)
_HOLD_TTL = timedelta(seconds=90)
_BUSY_WAIT = timedelta(seconds=20)
_POLL_S = 0.2
_TRUST = timedelta(seconds=30)
_MOST_ANSWERS = 5_000


@dataclass(frozen=True)
class Look:
    """A sandbox as its record has it, and what keys tells about its owner, still on its way."""

    sandbox: Sandbox
    facts: asyncio.Future[OwnerFacts]


@dataclass(frozen=True)
class Readying:
    sandboxes: Sandboxes
    preparation: Preparation
    configs: Configs
    care: AgentCare
    clock: Clock
    sleep: Sleep = asyncio.sleep
    answered: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    async def look(self, owner_id: str) -> Look:
        facts = asyncio.ensure_future(self.configs.facts(owner_id))
        try:
            return Look(await self.sandboxes.get(owner_id), facts)
        except BaseException:
            facts.cancel()
            raise

    async def run(
        self, owner_id: str, *, turn_id: str | None = None, look: Look | None = None
    ) -> Sandbox:
        """The owner's sandbox, running, its agent answering at a fresh address, nothing due.

        An agent that answered a moment ago is taken at its word, except by a turn that comes
        again: it did not reach it.

        Raises SANDBOX_NOT_FOUND where a launch is needed, SandboxBusyError, AgentLostError.
        """
        try:
            return await self._made_running(look or await self.look(owner_id), turn_id)
        except SandboxStoppedError:
            # Stopped behind our back, which the record says by now: this time it is woken.
            return await self._made_running(await self.look(owner_id), turn_id)

    def is_at_hand(self, sandbox: Sandbox, turn_id: str) -> bool:
        """Whether the record leaves nothing to do for `run`; only keys knows whether something
        `is_due`.
        """
        return (
            sandbox.state is SandboxState.ACTIVE
            and sandbox.staged_hash is None
            and is_preview_fresh(sandbox, AGENT_PORT, self.clock())
            and self._has_answered(sandbox, turn_id)
        )

    async def is_due(self, look: Look) -> bool:
        """Whether another config waits for the agent."""
        wanted = self.configs.wanted_now(await look.facts, look.sandbox)
        return look.sandbox.config_hash != wanted.config_hash

    async def secrets(self, sandbox: Sandbox) -> Mapping[str, str]:
        """The values that the agent can say: of the variables that the skills in it asked for."""
        if not any(installed.variables for installed in sandbox.skills.values()):
            return {}
        wanted = self.configs.wanted_now(await self.configs.facts(sandbox.owner_id), sandbox)
        return await self.configs.secret_values(sandbox.owner_id, wanted)

    async def _made_running(self, look: Look, turn_id: str | None) -> Sandbox:
        facts, sandbox = await look.facts, look.sandbox
        owner_id = sandbox.owner_id
        if sandbox.state is SandboxState.STOPPED:
            sandbox = await self._in_agent_slot(owner_id, self._woken)
        if sandbox.state is not SandboxState.ACTIVE:
            raise _not_there(sandbox)
        wanted = self.configs.wanted_now(facts, sandbox)
        if sandbox.config_hash != wanted.config_hash or sandbox.staged_hash is not None:
            sandbox = await self._up_to_date(sandbox, wanted)
        sandbox = await self.care.signed(sandbox, AGENT_PORT)
        if not self._has_answered(sandbox, turn_id):
            if not await self.preparation.is_agent_up(sandbox):
                revived = partial(self._revived, turn_id=turn_id)
                sandbox = await self._in_agent_slot(owner_id, revived)
            self._note_answer(sandbox)
        return sandbox

    def _has_answered(self, sandbox: Sandbox, turn_id: str | None) -> bool:
        now = self.clock()
        if turn_id is None or any(one.turn_id == turn_id for one in sandbox.live_leases(now)):
            return False
        process, at = self.answered.get(sandbox.provider_id or "", ("", None))
        return process == sandbox.agent_process and at is not None and now - at < _TRUST

    def _note_answer(self, sandbox: Sandbox) -> None:
        now = self.clock()
        if len(self.answered) >= _MOST_ANSWERS:
            recent = {key: one for key, one in self.answered.items() if now - one[1] < _TRUST}
            self.answered.clear()
            self.answered.update(recent)
        if sandbox.provider_id is not None and sandbox.agent_process is not None:
            self.answered[sandbox.provider_id] = (sandbox.agent_process, now)

    async def _up_to_date(self, sandbox: Sandbox, wanted: Wanted) -> Sandbox:
        """With the config that waited. Where an answer in another tab takes long, this turn goes
        on with the config that the agent has.
        """
        try:
            return await self._in_agent_slot(sandbox.owner_id, self._configured, alone=True)
        except SandboxBusyError:
            staged = await self.sandboxes.apply(
                sandbox.owner_id, lambda record: record.staged(wanted.config_hash)
            )
            return staged or sandbox

    async def while_busy(self, call: Callable[[], Awaitable[Sandbox | None]]) -> Sandbox | None:
        """New turns are held while the sandbox is being changed, for a bounded time."""
        deadline = self.clock() + _BUSY_WAIT
        while True:
            try:
                return await call()
            except SandboxBusyError:
                if self.clock() >= deadline:
                    raise
            await self.sleep(_POLL_S)

    async def _in_agent_slot(
        self,
        owner_id: str,
        work: Callable[[str, Right], Awaitable[Sandbox]],
        *,
        alone: bool = False,
    ) -> Sandbox:
        async with self.agent_slot(owner_id, alone=alone) as right:
            return await work(owner_id, right)

    @asynccontextmanager
    async def agent_slot(self, owner_id: str, *, alone: bool = False) -> AsyncIterator[Right]:
        """Change what belongs to the agent; waits for a bounded time while another does, or with
        `alone` while a turn runs.
        """
        right = Right(holder=new_id("use"), token=1)

        def hold(record: Sandbox) -> Sandbox:
            now = self.clock()
            held = record.held(AGENT_SLOT, right, now=now, until=now + _HOLD_TTL, alone=alone)
            if held is None:
                message = "the sandbox is busy with another conversation or launch"
                raise SandboxBusyError(
                    message,
                    retry_at=now + RETRY,
                )
            return held

        await self.while_busy(lambda: self.sandboxes.apply(owner_id, hold))
        try:
            yield right
        finally:
            await asyncio.shield(
                self.sandboxes.apply(owner_id, lambda record: record.released(right))
            )

    async def _woken(self, owner_id: str, right: Right) -> Sandbox:
        sandbox = await self.care.woken(await self.sandboxes.get(owner_id), right)
        if await self.preparation.is_agent_up(sandbox):
            return sandbox
        return await self._restarted(owner_id, right)

    async def _revived(self, owner_id: str, right: Right, *, turn_id: str | None) -> Sandbox:
        """Another may have done it while this one waited."""
        sandbox = await self.sandboxes.get(owner_id)
        if await self.preparation.is_agent_up(sandbox):
            return sandbox
        await self.care.check_dead(sandbox, asked_by=turn_id)
        return await self._restarted(owner_id, right)

    async def _restarted(self, owner_id: str, right: Right) -> Sandbox:
        sandbox, wanted = await self._wanted(owner_id)
        return await self.care.restarted(sandbox, right, wanted)

    async def _configured(self, owner_id: str, right: Right) -> Sandbox:
        """Another turn may have done it while this one waited."""
        sandbox, wanted = await self._wanted(owner_id)
        if sandbox.config_hash != wanted.config_hash:
            return await self.care.configured(sandbox, right, wanted)
        return await self.care.under_slot(sandbox, right, {"staged_hash": None})

    async def _wanted(self, owner_id: str) -> tuple[Sandbox, Wanted]:
        sandbox = await self.sandboxes.get(owner_id)
        return sandbox, self.configs.wanted_now(await self.configs.facts(owner_id), sandbox)


def _not_there(sandbox: Sandbox) -> AppError:
    if sandbox.state is SandboxState.CREATING:
        return SandboxStoppedError("the sandbox is still being made")
    return NotFoundError(
        "there is no sandbox (any more); launch the skill again",
        code=ErrorCode.SANDBOX_NOT_FOUND,
    )
