"""Loops: taking over turns whose holder died, purging deleted sessions."""

from chat_proxy.ports import Sessions
from chat_proxy.service.takeover import Takeover

_BATCH = 20


class TakeoverReconciler:
    def __init__(self, takeover: Takeover) -> None:
        self._takeover = takeover

    async def run_once(self) -> int:
        return await self._takeover.run_once()


class PurgeReconciler:
    """Removes what was deleted, once its events are out and its turns have ended."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def run_once(self) -> int:
        return await self._sessions.purge(limit=_BATCH)
