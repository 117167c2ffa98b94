"""Work that lost its worker, found in the records and gone on with."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from common.clock import Clock
from common.contracts.sandbox import LaunchState, SandboxState
from common.errors import AppError, ErrorCode

from sandbox_manager.errors import CreateFailedError
from sandbox_manager.model.launch import Launch
from sandbox_manager.ports.stores import Launches, Sandboxes
from sandbox_manager.service.background import Background
from sandbox_manager.service.desk import CLAIM_TTL, ending_events
from sandbox_manager.service.driving import LaunchDriver, failure_of
from sandbox_manager.service.removing import Removal

logger = logging.getLogger(__name__)

_BATCH = 20
_DELETION = timedelta(seconds=5)


@dataclass(frozen=True)
class Takeover:
    worker: str
    launches: Launches
    sandboxes: Sandboxes
    driver: LaunchDriver
    removal: Removal
    background: Background
    clock: Clock
    claim_ttl: timedelta = CLAIM_TTL

    async def claim_due(self) -> int:
        """Go on with launches whose claim ran out; how many."""
        claimed = 0
        for launch in await self.launches.due(self.clock(), _BATCH):
            mine = await self.launches.apply(launch.id, self._claimed, known=launch)
            if mine is not None:
                logger.info("launch %s: taken over", mine.id)
                self.background.start(self.driver.drive(mine))
                claimed += 1
        return claimed

    async def go_on(self) -> int:
        """Free stale create locks and finish deletions; how many records changed."""
        changed = 0
        for sandbox in await self.sandboxes.existing():
            if sandbox.lock is not None and sandbox.lock.is_stale(self.clock()):
                await self._break(sandbox.owner_id, sandbox.lock.holder)
            elif sandbox.state is not SandboxState.DELETING:
                continue
            changed += await self._remove(sandbox.owner_id)
        return changed

    def _claimed(self, launch: Launch) -> Launch | None:
        """None when another worker was faster."""
        now = self.clock()
        return launch.claimed(self.worker, now + self.claim_ttl) if launch.is_due(now) else None

    async def _break(self, owner_id: str, launch_id: str) -> None:
        """The launch that made no progress fails; its worker, should it wake up, cannot write."""
        now = self.clock()
        broken = await self.sandboxes.apply(owner_id, lambda sandbox: sandbox.broken(now))
        if broken is None:
            return
        logger.warning("launch %s: its create lock was stale and is free now", launch_id)
        error = failure_of(
            CreateFailedError("no progress for five minutes", code=ErrorCode.CREATE_LOCK_STALE)
        )

        def failed(launch: Launch) -> Launch | None:
            if launch.is_ended:
                return None
            taken = launch.claimed(self.worker, now)
            return taken.ended(LaunchState.FAILED, now, error=error)

        launch = await self.launches.get(launch_id)
        ended = failed(launch) if launch is not None else None
        if ended is not None:
            await self.launches.apply(launch_id, failed, events=ending_events(ended))

    async def _remove(self, owner_id: str) -> int:
        try:
            return int(await self.removal.run(owner_id, within=_DELETION))
        except AppError as exc:
            logger.warning("the deletion for %s goes on later: %s", owner_id, exc.detail)
            return 0
