"""Everything of an owner in MongoDB, for the day it has to go."""

from collections.abc import Sequence

from common.mongo import Database

from chat_proxy.adapters.mongo.collections import (
    APPROVALS,
    CAPS,
    MESSAGES,
    SESSIONS,
    SHARES,
    TURNS,
    USAGE,
    WORDS,
    answering,
)
from chat_proxy.ports import Holdings

_NEEDED = {"$or": [{"active": True}, {"outbox.id": {"$exists": True}}]}
"""A turn that runs, and an event that waits to be sent."""


class MongoHoldings(Holdings):
    """A collection that names owners belongs into one of the three tuples."""

    def __init__(self, database: Database) -> None:
        self._sessions = database[SESSIONS]
        self._by_owner = tuple(database[name] for name in (TURNS, APPROVALS, USAGE, SHARES, WORDS))
        self._by_session = (database[MESSAGES],)
        self._of_owner = (database[CAPS],)

    async def count(self, owner_id: str) -> dict[str, int]:
        mine = {"owner_id": owner_id}
        theirs = {"session_id": {"$in": await self.sessions(owner_id)}}
        with answering():
            return {
                SESSIONS: await self._sessions.count_documents(mine),
                **{of.name: await of.count_documents(mine) for of in self._by_owner},
                **{of.name: await of.count_documents(theirs) for of in self._by_session},
                **{of.name: await of.count_documents({"_id": owner_id}) for of in self._of_owner},
            }

    async def sessions(self, owner_id: str) -> Sequence[str]:
        with answering():
            cursor = self._sessions.find({"owner_id": owner_id}, {"_id": 1})
            return [document["_id"] async for document in cursor]

    async def forget(self, owner_id: str) -> bool:
        mine = {"owner_id": owner_id}
        theirs = {"session_id": {"$in": await self.sessions(owner_id)}}
        with answering():
            for collection in (self._sessions, *self._by_owner):
                if await collection.find_one({**mine, **_NEEDED}, {"_id": 1}) is not None:
                    return False
            for collection in self._by_session:
                await collection.delete_many(theirs)
            for collection in self._of_owner:
                await collection.delete_one({"_id": owner_id})
            # The sessions last: they are how messages are found when this is done again.
            for collection in (*self._by_owner, self._sessions):
                await collection.delete_many(mine)
        return True
