"""A person who left leaves nothing that was said here."""

import asyncio
import contextlib

from common.errors import ConflictError, NotFoundError

from chat_proxy.ports import Holdings
from chat_proxy.service.outside import Outside
from chat_proxy.service.sessions import SessionService

# What is deleted tells it in an event first, which goes out within a second.
_LOOKS, _LOOK_S = 12, 0.4


class Erasing:
    def __init__(self, outside: Outside, holdings: Holdings, sessions: SessionService) -> None:
        self._outside = outside
        self._holdings = holdings
        self._sessions = sessions

    async def begin(self, owner_id: str) -> tuple[dict[str, int], bool]:
        """Erase as far as is possible now: what there was by store, and whether all is gone."""
        counts = await self._holdings.count(owner_id)
        for _ in range(_LOOKS):
            if await self._erase(owner_id):
                return counts, True
            await asyncio.sleep(_LOOK_S)
        return counts, False

    async def erase(self, owner_id: str) -> None:
        """Erase; may be asked again. Raises ConflictError while something is still under way."""
        if not await self._erase(owner_id):
            message = "a turn is still being ended, or an event still waits to be sent"
            raise ConflictError(message)

    async def _erase(self, owner_id: str) -> bool:
        for session_id in await self._holdings.sessions(owner_id):
            # One that was deleted before may still have what was said.
            with contextlib.suppress(NotFoundError):
                await self._sessions.delete(owner_id, session_id)
            await self._outside.live.forget(session_id)
        return await self._holdings.forget(owner_id)
