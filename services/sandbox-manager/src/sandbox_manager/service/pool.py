"""What an owner does with their sandbox: see it, keep it, stop it, delete it, take a skill out."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta

from common.clock import Clock
from common.contracts.events import SANDBOX_STOPPED
from common.contracts.sandbox import SandboxState
from common.errors import AppError, ErrorCode, NotFoundError
from common.ids import new_id

from sandbox_manager.errors import SandboxBusyError, SandboxInUseError
from sandbox_manager.model.directory import slot
from sandbox_manager.model.record import Right
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.ports.inside import Inside
from sandbox_manager.ports.provider import SandboxProvider
from sandbox_manager.ports.stores import Sandboxes
from sandbox_manager.service.background import Background
from sandbox_manager.service.creating import sandbox_event
from sandbox_manager.service.removing import Removal

logger = logging.getLogger(__name__)

_REFRESH_PAUSE = timedelta(seconds=60)
_REMOVE_TTL = timedelta(seconds=60)


@dataclass(frozen=True)
class Pool:
    sandboxes: Sandboxes
    provider: SandboxProvider
    inside: Inside
    removal: Removal
    background: Background
    tab_limit: timedelta
    clock: Clock

    async def get(self, owner_id: str) -> Sandbox:
        return await self.sandboxes.get(owner_id)

    async def heartbeat(self, owner_id: str) -> Sandbox:
        """Note the sign of life. An open tab keeps the sandbox running for a while after the last
        launch or turn, not for ever.
        """
        now = self.clock()
        beaten = await self.sandboxes.apply(owner_id, lambda sandbox: sandbox.beaten(now))
        if beaten is None:
            return await self.sandboxes.get(owner_id)
        used_at = beaten.last_used_at or beaten.created_at or now
        if now - used_at < self.tab_limit:
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
        sandbox = await self._existing(owner_id)
        if sandbox.state is SandboxState.STOPPED:
            return sandbox
        now = self.clock()
        event = sandbox_event(SANDBOX_STOPPED, sandbox, SandboxState.STOPPED, now, "owner")
        stopped = await self.sandboxes.apply(
            owner_id, lambda record: record.stopped(now), known=sandbox, event=event
        )
        await self.provider.stop(sandbox.provider_id or "")
        return stopped or sandbox

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

    async def remove_skill(self, owner_id: str, directory: str) -> Sandbox:
        """Take a skill's files out; not while a turn runs."""
        sandbox = await self._existing(owner_id)
        if sandbox.installed(directory) is None:
            message = "no such skill in the sandbox"
            raise NotFoundError(message, code=ErrorCode.SKILL_NOT_FOUND)
        if sandbox.state is not SandboxState.ACTIVE:
            message = "the sandbox is not running; launch a skill first"
            raise SandboxBusyError(message)
        name, right = f"skill:{slot(directory)}", Right(holder=new_id("rmv"), token=1)
        now = self.clock()
        held = await self.sandboxes.apply(
            owner_id,
            lambda record: record.held(name, right, now=now, until=now + _REMOVE_TTL, alone=True),
        )
        if held is None:
            message = "a turn or a launch is using the sandbox"
            raise SandboxInUseError(message)
        return await self._take_out(held, directory, name, right)

    async def _take_out(
        self, sandbox: Sandbox, directory: str, name: str, right: Right
    ) -> Sandbox:
        owner_id, key = sandbox.owner_id, slot(directory)

        def without(record: Sandbox) -> Sandbox:
            skills = {known: skill for known, skill in record.skills.items() if known != key}
            return record.under_hold(name, right, skills=skills)

        try:
            await self.inside.remove(sandbox.provider_id or "", directory)
            await self.sandboxes.apply(owner_id, without)
        finally:
            await asyncio.shield(
                self.sandboxes.apply(owner_id, lambda record: record.released(right))
            )
        return await self.sandboxes.get(owner_id)

    async def _existing(self, owner_id: str) -> Sandbox:
        sandbox = await self.sandboxes.get(owner_id)
        if sandbox.state is SandboxState.ABSENT or sandbox.provider_id is None:
            message = "there is no sandbox yet"
            raise NotFoundError(message, code=ErrorCode.SANDBOX_NOT_FOUND)
        return sandbox
