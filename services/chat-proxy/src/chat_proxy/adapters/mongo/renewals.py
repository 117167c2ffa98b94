"""Claims prolonged together: what the turns of a process ask for within half a second is one
request to the store.
"""

import asyncio
from datetime import datetime

from common.mongo import Collection, Document

from chat_proxy.adapters.mongo.collections import answering
from chat_proxy.model.turn import CLAIM_TTL, Turn

_GATHER_S = 0.5


class Renewals:
    """Of the claims that this process holds, all under one name."""

    def __init__(self, turns: Collection) -> None:
        self._turns = turns
        self._asked: list[Turn] = []
        self._renewing: asyncio.Future[dict[str, Document]] | None = None

    async def renew(self, turn: Turn, now: datetime) -> Document | None:
        """The turn as it is stored then; None when it has ended or is not held under this name."""
        self._asked.append(turn)
        if self._renewing is None:
            self._renewing = asyncio.ensure_future(self._renew_all(now))
        return (await asyncio.shield(self._renewing)).get(turn.id)

    async def _renew_all(self, now: datetime) -> dict[str, Document]:
        await asyncio.sleep(_GATHER_S)
        asked, self._asked, self._renewing = self._asked, [], None
        held: Document = {
            "_id": {"$in": [turn.id for turn in asked]},
            "active": True,
            "claim.holder": asked[0].claim.holder,
        }
        with answering():
            await self._turns.update_many(held, {"$set": {"claim.until": now + CLAIM_TTL}})
            return {found["_id"]: found async for found in self._turns.find(held)}
