"""Turns that are just closing: their end was told and is being filed.

Whoever heard the end and asks at once finds everything filed: he is let wait that moment.
"""

import asyncio
from datetime import datetime, timedelta

from chat_proxy.model.turn import Turn
from chat_proxy.service.outside import Outside
from chat_proxy.service.runners import Runners

_MOST = timedelta(seconds=2)
_LOOK_AGAIN_S = 0.02


class Closing:
    def __init__(self, outside: Outside, runners: Runners) -> None:
        self._outside = outside
        self._runners = runners

    def deadline(self) -> datetime:
        """Until when it is worth to wait from now on."""
        return self._outside.clock() + _MOST

    async def waited(self, turn: Turn, deadline: datetime) -> bool:
        """Whether the turn was closing, and was waited for: look at it again."""
        if self._outside.clock() >= deadline or not await self._outside.answers.is_ended(turn.id):
            return False
        runner = self._runners.of(turn.session_id)
        if runner is not None and runner.turn.id == turn.id:
            await runner.done.wait()
        else:
            await asyncio.sleep(_LOOK_AGAIN_S)
        return True

    async def settled(self, session_id: str) -> None:
        """Wait for the session's turn, if it has one that is closing."""
        deadline = self.deadline()
        while turn := await self._outside.turns.active(session_id):
            if not await self.waited(turn, deadline):
                return
