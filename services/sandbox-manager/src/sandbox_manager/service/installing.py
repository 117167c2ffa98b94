"""The install path: a skill into a sandbox that is there, beside other launches doing the same."""

from collections.abc import AsyncIterator
from datetime import timedelta

from common.contracts.sandbox import PhaseName, SandboxState

from sandbox_manager.errors import SandboxBusyError, SandboxGoneError, SandboxInUseError
from sandbox_manager.model.directory import slot
from sandbox_manager.model.plan import AGENT_PORT, Install, is_installed, is_preview_fresh
from sandbox_manager.model.sandbox import AGENT_SLOT, RUNNABLE, Sandbox
from sandbox_manager.model.steps import Step
from sandbox_manager.service.caring import AgentCare
from sandbox_manager.service.configuring import Configs, Wanted
from sandbox_manager.service.desk import Desk, together
from sandbox_manager.service.preparing import Preparation

_HOLD_WAIT = timedelta(seconds=60)
_TURN_WAIT = timedelta(minutes=10)
_POLL_S = 0.1


class Installation:
    def __init__(self, *, preparation: Preparation, configs: Configs, care: AgentCare) -> None:
        self._preparation = preparation
        self._configs = configs
        self._care = care

    async def run(self, desk: Desk, plan: Install) -> None:
        """Raises SandboxGoneError or SandboxStoppedError when the record was wrong: plan again."""
        try:
            if plan.wake:
                await self._wake(desk)
            await together(
                self._skill(desk),
                self._agent(desk, write_config=plan.write_config),
            )
            await desk.change_sandbox(lambda sandbox: sandbox.used(desk.clock()))
        finally:
            await desk.change_sandbox(lambda sandbox: sandbox.released(desk.right))

    async def _wake(self, desk: Desk) -> None:
        sandbox = await self._hold(desk, AGENT_SLOT)
        if sandbox.state is SandboxState.STOPPED:
            async with desk.phase(PhaseName.WAKE):
                await self._care.woken(sandbox, desk.right, desk.step)

    async def _skill(self, desk: Desk) -> None:
        launch = desk.launch
        name, key = f"skill:{slot(launch.skill.directory)}", slot(launch.skill.directory)
        before = await desk.sandbox()
        if is_installed(before, launch.skill):
            return
        async with desk.phase(PhaseName.UPLOAD):
            bundle = await desk.step(Step.FETCH, lambda: self._preparation.fetch(launch))
        is_replaced = before.installed(launch.skill.directory) is not None
        sandbox = await (self._hold_alone if is_replaced else self._hold)(desk, name)
        async with desk.phase(PhaseName.VERIFY, launch.skill.digest):
            installed = await desk.step(
                Step.INSTALL, lambda: self._preparation.install(sandbox, launch, bundle)
            )
            await desk.change_sandbox(
                lambda record: record.under_hold(
                    name, desk.right, skills={**record.skills, key: installed}
                )
            )

    async def _agent(self, desk: Desk, *, write_config: bool) -> None:
        if write_config:
            await self._configure(desk)
        sandbox = await desk.sandbox()
        if not is_preview_fresh(sandbox, AGENT_PORT, desk.clock()):
            async with desk.phase(PhaseName.ENDPOINT):
                sandbox = await self._care.signed(sandbox, AGENT_PORT, desk.step)
        if not await self._preparation.is_agent_up(sandbox):
            await self._revive(desk)

    async def _configure(self, desk: Desk) -> None:
        """What other launches installed meanwhile counts, so the config is computed here again.
        While a turn runs it is only noted: the agent has it before the next turn.
        """
        sandbox = await self._hold_unless_used(desk)
        wanted = await self._wanted(desk, sandbox)
        is_new = sandbox.config_hash != wanted.config_hash
        if is_new and not sandbox.live_leases(desk.clock()):
            async with desk.phase(PhaseName.CONFIGURE):
                await self._care.configured(sandbox, desk.right, wanted, desk.step)
            return
        await desk.change_sandbox(lambda record: record.staged(wanted.config_hash))
        if is_new:
            await desk.notice(
                "New settings reach the agent as soon as the answer in progress has ended."
            )

    async def _revive(self, desk: Desk) -> None:
        """Another launch may have done it while this one waited."""
        sandbox = await self._hold(desk, AGENT_SLOT)
        if await self._preparation.is_agent_up(sandbox):
            return
        async with desk.phase(PhaseName.AGENT):
            await self._care.check_dead(sandbox, desk.step)
            await self._restart(desk, sandbox)

    async def _restart(self, desk: Desk, sandbox: Sandbox) -> None:
        wanted = await self._wanted(desk, sandbox)
        await self._care.restarted(sandbox, desk.right, wanted, desk.step)

    async def _wanted(self, desk: Desk, sandbox: Sandbox) -> Wanted:
        facts = await desk.persistently(lambda: self._configs.facts(desk.owner_id))
        return self._configs.wanted_for(facts, sandbox, desk.launch)

    async def _hold(self, desk: Desk, name: str) -> Sandbox:
        """Take the slot, waiting while another launch has it."""
        async for sandbox in self._tries(desk, _HOLD_WAIT):
            if (held := await self._held(desk, sandbox, name)) is not None:
                return held
        message = "another launch is changing the sandbox; try again"
        raise SandboxBusyError(message)

    async def _hold_alone(self, desk: Desk, name: str) -> Sandbox:
        """Take the slot when no turn runs, and let none begin until it is given back."""
        is_told = False
        async for sandbox in self._tries(desk, _TURN_WAIT):
            if (held := await self._held(desk, sandbox, name, alone=True)) is not None:
                return held
            if sandbox.live_leases(desk.clock()) and not is_told:
                is_told = True
                await desk.notice(
                    "Another version of this skill is in use; the new one goes in when the answer"
                    " in progress has ended."
                )
        message = "an answer in another tab uses this skill; try again when it has ended"
        raise SandboxInUseError(message)

    async def _hold_unless_used(self, desk: Desk) -> Sandbox:
        """The agent's slot, held alone; not held where use-leases are live."""
        async for sandbox in self._tries(desk, _HOLD_WAIT):
            if sandbox.live_leases(desk.clock()):
                return sandbox
            if (held := await self._held(desk, sandbox, AGENT_SLOT, alone=True)) is not None:
                return held
        message = "another launch is changing the sandbox; try again"
        raise SandboxBusyError(message)

    @staticmethod
    async def _tries(desk: Desk, within: timedelta) -> AsyncIterator[Sandbox]:
        """The sandbox as it is, again and again."""
        deadline = desk.clock() + within
        while True:
            sandbox = await desk.sandbox()
            if sandbox.state not in RUNNABLE:
                message = "the sandbox was deleted meanwhile"
                raise SandboxGoneError(message)
            yield sandbox
            if desk.clock() >= deadline:
                return
            await desk.sleep(_POLL_S)

    @staticmethod
    async def _held(
        desk: Desk, sandbox: Sandbox, name: str, *, alone: bool = False
    ) -> Sandbox | None:
        def take(record: Sandbox) -> Sandbox | None:
            now = desk.clock()
            until = now + desk.claim_ttl
            return record.held(name, desk.right, now=now, until=until, alone=alone)

        return await desk.change_sandbox(take, known=sandbox)
