"""The turns that this process runs."""

import asyncio
import logging
from datetime import timedelta

from common.errors import NotFoundError

from chat_proxy.model.session import ChatSession
from chat_proxy.model.turn import Turn
from chat_proxy.service.outside import Outside
from chat_proxy.service.persisting import persist
from chat_proxy.service.runner import TurnRunner

logger = logging.getLogger(__name__)


class Runners:
    """By session: a session has one running turn."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._by_session: dict[str, TurnRunner] = {}
        self._tasks: set[asyncio.Future[None]] = set()

    def start(self, turn: Turn, session: ChatSession) -> TurnRunner:
        runner = TurnRunner(turn, session, self._outside)
        self._by_session[session.id] = runner
        task = asyncio.ensure_future(self._run(runner, session.id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return runner

    def adopt(self, turn: Turn, session: ChatSession) -> None:
        """Run a turn if it was stored: nobody knows, because the store's answer was lost."""
        task = asyncio.ensure_future(self._adopt(turn, session))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def of(self, session_id: str) -> TurnRunner | None:
        return self._by_session.get(session_id)

    def runs(self, turn_id: str) -> bool:
        return turn_id in self.turn_ids()

    def turn_ids(self) -> set[str]:
        return {runner.turn.id for runner in self._by_session.values()}

    def lag_s(self) -> float:
        """Of all turns here, the age of the oldest entry that the store does not have."""
        lags = (runner.lag for runner in self._by_session.values())
        return max(lags, default=timedelta(0)).total_seconds()

    async def hand_over(self) -> None:
        """Let go of every turn, stored and free to be claimed by another process."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _adopt(self, turn: Turn, session: ChatSession) -> None:
        turns = self._outside.turns
        try:
            stored = await persist(lambda: turns.get(turn.owner_id, turn.session_id, turn.id))
        except NotFoundError:
            return
        if not stored.is_ended and stored.claim == turn.claim and not self.runs(turn.id):
            self.start(stored, session)

    async def _run(self, runner: TurnRunner, session_id: str) -> None:
        try:
            await runner.run()
        except Exception:
            logger.exception("a turn's runner failed", extra={"turn_id": runner.turn.id})
        finally:
            if self._by_session.get(session_id) is runner:
                del self._by_session[session_id]
