"""The install path: a skill into a sandbox that is there, beside other launches doing the same."""

from datetime import timedelta

from common.contracts.sandbox import PhaseName, SandboxState

from sandbox_manager.errors import SandboxBusyError, SandboxGoneError
from sandbox_manager.model.directory import slot
from sandbox_manager.model.plan import AGENT_PORT, Install, is_installed, is_preview_fresh
from sandbox_manager.model.sandbox import AGENT_SLOT, RUNNABLE, Sandbox
from sandbox_manager.model.steps import Step
from sandbox_manager.service.caring import AgentCare
from sandbox_manager.service.configuring import Configs, Wanted
from sandbox_manager.service.desk import Desk, together
from sandbox_manager.service.preparing import Preparation, RelayToken

_HOLD_WAIT = timedelta(seconds=60)
_POLL_S = 0.1


class Installation:
    def __init__(self, *, preparation: Preparation, configs: Configs, care: AgentCare) -> None:
        self._preparation = preparation
        self._configs = configs
        self._care = care

    async def run(self, desk: Desk, plan: Install, *, is_agent_up: bool = False) -> None:
        """Raises SandboxGoneError or SandboxStoppedError when the record was wrong: plan again."""
        try:
            if plan.wake:
                await self._wake(desk)
            await together(
                self._skill(desk),
                self._agent(desk, write_config=plan.write_config, is_up=is_agent_up),
            )
            await desk.change_sandbox(lambda sandbox: sandbox.beaten(desk.clock()))
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
        if is_installed(await desk.sandbox(), launch.skill):
            return
        async with desk.phase(PhaseName.UPLOAD):
            bundle = await desk.step(Step.FETCH, lambda: self._preparation.fetch(launch))
        sandbox = await self._hold(desk, name)
        async with desk.phase(PhaseName.VERIFY, launch.skill.digest):
            installed = await desk.step(
                Step.INSTALL, lambda: self._preparation.install(sandbox, launch, bundle)
            )
            await desk.change_sandbox(
                lambda record: record.under_hold(
                    name, desk.right, skills={**record.skills, key: installed}
                )
            )

    async def _agent(self, desk: Desk, *, write_config: bool, is_up: bool) -> None:
        if write_config:
            await self._configure(desk)
        sandbox = await desk.sandbox()
        if sandbox.is_restart_due:
            await self._restart_if_unused(desk)
            return
        if not is_preview_fresh(sandbox, AGENT_PORT, desk.clock()):
            async with desk.phase(PhaseName.ENDPOINT):
                sandbox = await self._care.signed(sandbox, AGENT_PORT, desk.step)
        if not is_up and not await self._preparation.is_agent_up(sandbox):
            await self._revive(desk)

    async def _configure(self, desk: Desk) -> None:
        """What other launches installed meanwhile counts, so the config is computed here again."""
        sandbox = await self._hold(desk, AGENT_SLOT)
        wanted = await self._wanted(desk, sandbox)
        if sandbox.config_hash == wanted.config_hash:
            return
        async with desk.phase(PhaseName.CONFIGURE):
            await desk.step(Step.CONFIGURE, lambda: self._write(desk, sandbox, wanted))

    async def _write(self, desk: Desk, sandbox: Sandbox, wanted: Wanted) -> None:
        """The token is known before the agent can use it."""
        token = RelayToken.mint()
        tokens = {"relay_tokens": token.added_to(sandbox)}
        sandbox = await self._care.under_slot(sandbox, desk.right, tokens)
        changes = await self._preparation.write_config(sandbox, wanted, token)
        if wanted.environment_hash != sandbox.environment_hash:
            changes["is_restart_due"] = True
        await self._care.under_slot(sandbox, desk.right, changes)

    async def _restart_if_unused(self, desk: Desk) -> None:
        """New variables need a restart; an answer in another tab is never killed for it."""
        sandbox = await self._hold(desk, AGENT_SLOT)
        if not sandbox.is_restart_due:
            return
        if sandbox.live_leases(desk.clock()):
            await desk.notice(
                "New variables reach the agent as soon as the answer in progress has ended."
            )
            return
        async with desk.phase(PhaseName.AGENT):
            await self._restart(desk, sandbox)

    async def _revive(self, desk: Desk) -> None:
        """Another launch may have done it while this one waited."""
        sandbox = await self._hold(desk, AGENT_SLOT)
        if await self._preparation.is_agent_up(sandbox):
            return
        async with desk.phase(PhaseName.AGENT):
            await self._care.check_dead(sandbox)
            await self._restart(desk, sandbox)

    async def _restart(self, desk: Desk, sandbox: Sandbox) -> None:
        wanted = await self._wanted(desk, sandbox)
        await self._care.restarted(sandbox, desk.right, wanted, desk.step)

    async def _wanted(self, desk: Desk, sandbox: Sandbox) -> Wanted:
        facts = await desk.persistently(lambda: self._configs.facts(desk.owner_id))
        return self._configs.wanted_for(facts, sandbox, desk.launch)

    async def _hold(self, desk: Desk, name: str) -> Sandbox:
        """Take the slot, waiting while another launch has it."""
        deadline = desk.clock() + _HOLD_WAIT
        while True:
            held = await desk.change_sandbox(lambda record: self._held(desk, record, name))
            if held is not None:
                return held
            if (await desk.sandbox()).state not in RUNNABLE:
                message = "the sandbox was deleted meanwhile"
                raise SandboxGoneError(message)
            if desk.clock() >= deadline:
                message = "another launch is changing the sandbox; try again"
                raise SandboxBusyError(message)
            await desk.sleep(_POLL_S)

    @staticmethod
    def _held(desk: Desk, record: Sandbox, name: str) -> Sandbox | None:
        now = desk.clock()
        return record.held(name, desk.right, now=now, until=now + desk.claim_ttl)
