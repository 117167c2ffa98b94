"""Takes over turns whose holder died."""

import logging

from common.errors import AppError
from common.metrics.table import CLAIMS_TAKEN_OVER

from chat_proxy.service.outside import Outside
from chat_proxy.service.runners import Runners

logger = logging.getLogger(__name__)

_BATCH = 20


class Takeover:
    def __init__(self, outside: Outside, runners: Runners) -> None:
        self._outside = outside
        self._runners = runners

    async def run_once(self) -> int:
        """Claim and go on with turns whose claim has run out."""
        due = await self._outside.turns.claim_due(
            self._outside.me, self._outside.clock(), here=self._runners.turn_ids(), limit=_BATCH
        )
        taken = 0
        for turn in due:
            try:
                session = await self._outside.sessions.find(turn.session_id)
            except AppError as exc:
                logger.warning("a turn cannot be taken over yet: %s", exc.detail)
                continue
            CLAIMS_TAKEN_OVER.add(kind="turn")
            logger.info("turn taken over", extra={"turn_id": turn.id})
            self._runners.take_over(turn, session)
            taken += 1
        return taken
