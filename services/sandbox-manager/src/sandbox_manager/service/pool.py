"""What an owner does with their sandbox: see it, keep it, stop it, delete it, take a skill out."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from common.clock import Clock
from common.contracts.sandbox import SandboxState
from common.errors import AppError, ErrorCode, NotFoundError

from sandbox_manager.model.directory import skill_path, slot
from sandbox_manager.model.idle import IdlePolicy
from sandbox_manager.model.record import Right
from sandbox_manager.model.sandbox import WHOLE_SLOT, Sandbox
from sandbox_manager.ports.inside import Inside
from sandbox_manager.ports.provider import SandboxProvider
from sandbox_manager.ports.stores import Sandboxes
from sandbox_manager.service.background import Background
from sandbox_manager.service.caring import AgentCare
from sandbox_manager.service.configuring import Configs
from sandbox_manager.service.removing import Removal
from sandbox_manager.service.reserving import reserved
from sandbox_manager.service.stopping import Stopping

logger = logging.getLogger(__name__)

_REFRESH_PAUSE = timedelta(seconds=60)


@dataclass(frozen=True)
class Pool:
    sandboxes: Sandboxes
    provider: SandboxProvider
    inside: Inside
    care: AgentCare
    configs: Configs
    stopping: Stopping
    removal: Removal
    background: Background
    idle: IdlePolicy
    clock: Clock

    async def get(self, owner_id: str) -> Sandbox:
        return await self.sandboxes.get(owner_id)

    async def heartbeat(self, owner_id: str) -> Sandbox:
        """Note the sign of life of an open page."""
        now = self.clock()
        beaten = await self.sandboxes.apply(owner_id, lambda sandbox: sandbox.beaten(now))
        if beaten is None:
            return await self.sandboxes.get(owner_id)
        if self.idle.does_tab_count(beaten, now):
            self.keep_running(beaten)
        return beaten

    def keep_running(self, sandbox: Sandbox) -> None:
        """Tell the provider's idle timer, at most once a minute and without making anyone wait."""
        if sandbox.refreshed(self.clock(), _REFRESH_PAUSE) is not None:
            self.background.start(self._refresh(sandbox))

    async def _refresh(self, sandbox: Sandbox) -> None:
        now = self.clock()
        noted = await self.sandboxes.apply(
            sandbox.owner_id, lambda record: record.refreshed(now, _REFRESH_PAUSE), known=sandbox
        )
        if noted is None or noted.provider_id is None:
            return
        try:
            await self.provider.refresh_activity(noted.provider_id)
        except AppError as exc:
            logger.warning("the idle timer of %s was not told: %s", noted.provider_id, exc.detail)

    async def stop(self, owner_id: str) -> Sandbox:
        """Stop at the provider. Raises SandboxInUseError while a turn runs."""
        await self._existing(owner_id)
        await self.stopping.run(owner_id, "owner")
        return await self.sandboxes.get(owner_id)

    async def delete(self, owner_id: str) -> Sandbox:
        """Begin the deletion, which goes on in the background; one under way is not an error."""
        sandbox = await self.sandboxes.get(owner_id)
        if sandbox.state is SandboxState.ABSENT:
            return sandbox
        if sandbox.state is not SandboxState.DELETING:
            now = self.clock()
            changed = await self.sandboxes.apply(
                owner_id, lambda record: record.deleting(now), known=sandbox
            )
            sandbox = changed or sandbox
        self.background.start(self.removal.run(owner_id))
        return sandbox

    async def remove_skill(self, owner_id: str, skill: str) -> Sandbox:
        """Take a skill's files out, waking the sandbox for it. Raises SandboxInUseError while a
        turn runs, SandboxBusyError while a launch does.
        """
        directory = _directory_of(await self._existing(owner_id), skill)
        async with reserved(self.sandboxes, owner_id, self.clock) as held:
            if held is not None:
                sandbox = await self.care.woken(held.sandbox, held.right)
                await self._take_out(sandbox, directory, held.right)
        return await self.sandboxes.get(owner_id)

    async def _take_out(self, sandbox: Sandbox, directory: str, right: Right) -> None:
        """The skill's variables leave the agent before the next turn."""
        left = {key: one for key, one in sandbox.skills.items() if key != slot(directory)}
        facts = await self.configs.facts(sandbox.owner_id)
        wanted = self.configs.wanted_now(facts, sandbox.with_changes(skills=left))
        await self.inside.remove(sandbox.provider_id or "", directory)

        def without(record: Sandbox) -> Sandbox:
            taken = record.under_hold(WHOLE_SLOT, right, skills=left)
            return taken.staged(wanted.config_hash) or taken

        await self.sandboxes.apply(sandbox.owner_id, without)

    async def _existing(self, owner_id: str) -> Sandbox:
        sandbox = await self.sandboxes.get(owner_id)
        if sandbox.state is SandboxState.ABSENT or sandbox.provider_id is None:
            message = "there is no sandbox yet"
            raise NotFoundError(message, code=ErrorCode.SANDBOX_NOT_FOUND)
        return sandbox


def _directory_of(sandbox: Sandbox, skill: str) -> str:
    """Of the installed skill that is known by this path, or lies in this directory."""
    for installed in sandbox.skills.values():
        one = installed.skill
        if skill in (one.directory, skill_path(one.owner, one.repo, one.path)):
            return one.directory
    message = "no such skill in the sandbox"
    raise NotFoundError(message, code=ErrorCode.SKILL_NOT_FOUND)
