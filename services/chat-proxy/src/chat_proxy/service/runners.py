"""The turns that this process runs."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

from common.errors import NotFoundError

from chat_proxy.model.session import ChatSession
from chat_proxy.model.turn import Turn
from chat_proxy.service.outside import Outside
from chat_proxy.service.persisting import persist
from chat_proxy.service.runner import TurnRunner

logger = logging.getLogger(__name__)


_MOST_KNOWN = 1000


class Runners:
    """By session: a session has one running turn. `known` are sessions that ran here lately, as
    they were then and without what was said in them: that is not kept beyond the turn.
    """

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._by_session: dict[str, TurnRunner] = {}
        self._known: OrderedDict[str, ChatSession] = OrderedDict()
        self._tasks: set[asyncio.Future[None]] = set()

    def prepare(self, turn: Turn, session: ChatSession) -> TurnRunner:
        """A runner for a turn that is just being stored, which fetches its sandbox meanwhile: it
        is to be run, or dropped.
        """
        runner = TurnRunner(turn, session, self._outside)
        runner.borrow()
        return runner

    def run(self, runner: TurnRunner) -> None:
        self._by_session[runner.turn.session_id] = runner
        self._keep(self._run(runner, runner.turn.session_id))

    def take_over(self, turn: Turn, session: ChatSession) -> None:
        """Run a turn that is stored already."""
        self.run(TurnRunner(turn, session, self._outside))

    def drop(self, runner: TurnRunner) -> None:
        self._keep(runner.drop())

    def adopt(self, turn: Turn, session: ChatSession) -> None:
        """Run a turn if it was stored: nobody knows, because the store's answer was lost."""
        self._keep(self._adopt(turn, session))

    def known(self, owner_id: str, session_id: str) -> ChatSession | None:
        session = self._known.get(session_id)
        return session if session is not None and session.owner_id == owner_id else None

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

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _adopt(self, turn: Turn, session: ChatSession) -> None:
        turns = self._outside.turns
        try:
            stored = await persist(lambda: turns.get(turn.owner_id, turn.session_id, turn.id))
        except NotFoundError:
            return
        if not stored.is_ended and stored.claim == turn.claim and not self.runs(turn.id):
            self.take_over(stored, session)

    async def _run(self, runner: TurnRunner, session_id: str) -> None:
        try:
            await runner.run()
        except Exception:
            logger.exception("a turn's runner failed", extra={"turn_id": runner.turn.id})
        finally:
            if self._by_session.get(session_id) is runner:
                del self._by_session[session_id]
            self._remember(runner.session)

    def _remember(self, session: ChatSession) -> None:
        self._known[session.id] = replace(session, title="", context=None)
        self._known.move_to_end(session.id)
        while len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
