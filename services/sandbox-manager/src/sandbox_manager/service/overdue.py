"""Work on records that lost its worker: a create lock that went stale, a deletion begun."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from common.clock import Clock
from common.contracts.sandbox import LaunchState
from common.errors import ErrorCode

from sandbox_manager.errors import CreateFailedError
from sandbox_manager.model.balance import Finding, Remedy, judge_overdue
from sandbox_manager.model.launch import Launch
from sandbox_manager.ports.stores import Launches, Sandboxes
from sandbox_manager.service.desk import ending_events, failure_of
from sandbox_manager.service.removing import Removal

logger = logging.getLogger(__name__)

_DELETION = timedelta(seconds=5)


@dataclass(frozen=True)
class Overdue:
    worker: str
    launches: Launches
    sandboxes: Sandboxes
    removal: Removal
    clock: Clock

    async def find(self) -> list[Finding]:
        found = [judge_overdue(record, self.clock()) for record in await self.sandboxes.changing()]
        return [finding for finding in found if finding is not None]

    async def act(self, finding: Finding) -> bool:
        """Whether nothing is left to do."""
        if finding.remedy is Remedy.FREE_LOCK:
            await self._free_lock(finding.owner_id)
        return await self.removal.run(finding.owner_id, within=_DELETION)

    async def _free_lock(self, owner_id: str) -> None:
        """The launch that made no progress fails first, so that its worker, should it wake up,
        cannot write.
        """
        sandbox = await self.sandboxes.get(owner_id)
        if sandbox.lock is None or not sandbox.lock.is_stale(self.clock()):
            return
        holder = sandbox.lock.holder
        await self._fail(holder)
        if await self.sandboxes.apply(owner_id, lambda record: record.freed(holder)) is not None:
            logger.warning("launch %s: its create lock was stale and is free now", holder)

    async def _fail(self, launch_id: str) -> None:
        now = self.clock()
        error = failure_of(
            CreateFailedError("no progress for five minutes", code=ErrorCode.CREATE_LOCK_STALE)
        )

        def failed(launch: Launch) -> Launch | None:
            if launch.is_ended:
                return None
            return launch.claimed(self.worker, now).ended(LaunchState.FAILED, now, error=error)

        launch = await self.launches.get(launch_id)
        ended = failed(launch) if launch is not None else None
        if ended is not None:
            await self.launches.apply(launch_id, failed, events=ending_events(ended))
