"""Loops -> use cases."""

import logging

from common.clock import Clock
from common.contracts.sandbox import SandboxState
from common.metrics.table import BALANCE, POOL

from sandbox_manager.model.balance import Balance
from sandbox_manager.ports.stores import Leadership
from sandbox_manager.service.reconciling import Reconciliation
from sandbox_manager.service.surveying import Surveying

logger = logging.getLogger(__name__)


class Reconciler:
    """One turn a minute, by one process of all: `run_once` is all there is to it."""

    def __init__(
        self,
        surveying: Surveying,
        reconciliation: Reconciliation,
        leadership: Leadership,
        clock: Clock,
    ) -> None:
        self._surveying = surveying
        self._reconciliation = reconciliation
        self._leadership = leadership
        self._clock = clock

    async def run_once(self) -> int:
        """Never says that it did something: the next look is a minute away, not at once."""
        if not await self._leadership.is_leader(self._clock()):
            BALANCE.unsay()
            POOL.unsay()
            return 0
        survey = await self._surveying.run()
        publish(survey.balance)
        for state in SandboxState:
            POOL.say(survey.states[state], state=state)
        async for _ in self._reconciliation.act(survey):
            pass
        return 0


def publish(balance: Balance) -> None:
    """The balance, as metrics and in the log where it does not hold."""
    BALANCE.say(balance.billed, kind="billed")
    BALANCE.say(balance.recorded, kind="recorded")
    BALANCE.say(balance.explained, kind="explained")
    BALANCE.say(balance.unexplained, kind="unexplained")
    if balance.unexplained != 0:
        logger.warning("the balance does not hold: %s", balance)
