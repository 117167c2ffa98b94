"""Work that lost its worker, found in the records and gone on with."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from common.clock import Clock
from common.errors import AppError
from common.metrics.table import CLAIMS_TAKEN_OVER, CLAIMS_WAITING

from sandbox_manager.model.balance import Finding
from sandbox_manager.model.launch import Launch
from sandbox_manager.ports.stores import Launches
from sandbox_manager.service.background import Background
from sandbox_manager.service.desk import CLAIM_TTL
from sandbox_manager.service.driving import LaunchDriver
from sandbox_manager.service.overdue import Overdue

logger = logging.getLogger(__name__)

_BATCH = 20


@dataclass(frozen=True)
class Takeover:
    worker: str
    launches: Launches
    driver: LaunchDriver
    overdue: Overdue
    background: Background
    clock: Clock
    claim_ttl: timedelta = CLAIM_TTL

    async def claim_due(self) -> int:
        """Go on with launches whose claim ran out; how many."""
        claimed, due = 0, await self.launches.due(self.clock(), _BATCH)
        CLAIMS_WAITING.say(len(due))
        for launch in due:
            mine = await self.launches.apply(launch.id, self._claimed, known=launch)
            if mine is not None:
                CLAIMS_TAKEN_OVER.add(kind="launch")
                logger.info("launch %s: taken over", mine.id)
                self.background.start(self.driver.drive(mine))
                claimed += 1
        return claimed

    async def go_on(self) -> int:
        """Free stale create locks and finish deletions; how many records are done with."""
        return sum([await self._done(finding) for finding in await self.overdue.find()])

    def _claimed(self, launch: Launch) -> Launch | None:
        """None when another worker was faster."""
        now = self.clock()
        return launch.claimed(self.worker, now + self.claim_ttl) if launch.is_due(now) else None

    async def _done(self, finding: Finding) -> bool:
        try:
            return await self.overdue.act(finding)
        except AppError as exc:
            logger.warning("the deletion for %s goes on later: %s", finding.owner_id, exc.detail)
            return False
