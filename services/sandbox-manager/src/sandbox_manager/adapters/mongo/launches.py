"""`launches`: one document per launch, with its journal; what trials are read from."""

from collections.abc import Sequence
from datetime import datetime

from common.contracts.events import OutgoingEvent
from common.mongo import Collection, Document
from common.outbox import OUTBOX_INDEX
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from sandbox_manager.adapters.mongo.records import (
    NOTHING_WAITS,
    Versioned,
    store_errors,
    to_document,
)
from sandbox_manager.model.launch import RUNNING_STATES, AskedBy, Launch
from sandbox_manager.ports.stores import LaunchChange, Launches

LAUNCHES = "launches"
LAUNCH_INDEXES = (
    IndexModel([("running_key", ASCENDING)], unique=True),
    IndexModel([("asked_by.key", ASCENDING)], unique=True),
    IndexModel([("owner_id", ASCENDING), ("created_at", DESCENDING)]),
    IndexModel([("state", ASCENDING), ("claim.until", ASCENDING)]),
    OUTBOX_INDEX,
)

_WITHOUT_JOURNAL = {"entries": 0, "phases": 0, "receipt": 0, "outbox": 0}
_RUNNING = {"$in": [state.value for state in RUNNING_STATES]}


class MongoLaunches(Launches):
    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._versioned = Versioned(collection, to_launch, "launch")

    @store_errors
    async def add(self, launch: Launch, *, events: Sequence[OutgoingEvent]) -> Launch | None:
        document = to_document(launch)
        document["outbox"] = [event.model_dump() for event in events]
        try:
            await self._collection.insert_one(document)
        except DuplicateKeyError:
            return None
        return launch

    @store_errors
    async def get(self, launch_id: str) -> Launch | None:
        return await self._one({"_id": launch_id})

    @store_errors
    async def running(self, running_key: str) -> Launch | None:
        return await self._one({"running_key": running_key})

    @store_errors
    async def asked(self, asked: AskedBy) -> Launch | None:
        return await self._one({"asked_by.key": asked.key})

    @store_errors
    async def apply(
        self,
        launch_id: str,
        change: LaunchChange,
        *,
        known: Launch | None = None,
        events: Sequence[OutgoingEvent] = (),
    ) -> Launch | None:
        async def read() -> Launch | None:
            return await self.get(launch_id)

        return await self._versioned.apply(known, read, change, events)

    @store_errors
    async def due(self, now: datetime, limit: int) -> Sequence[Launch]:
        wanted = {"state": _RUNNING, "claim.until": {"$lte": now}}
        cursor = self._collection.find(wanted).sort("claim.until", ASCENDING).limit(limit)
        return [to_launch(document) async for document in cursor]

    @store_errors
    async def count_running(self, owner_id: str) -> int:
        # The keys of running launches begin with their owner, those of ended ones do not.
        mine = {"$gte": f"{owner_id}:", "$lt": f"{owner_id};"}
        return await self._collection.count_documents({"running_key": mine})

    @store_errors
    async def count_all(self) -> int:
        return await self._collection.count_documents({"state": _RUNNING})

    @store_errors
    async def count(self, owner_id: str) -> int:
        return await self._collection.count_documents({"owner_id": owner_id})

    @store_errors
    async def newest(self, owner_id: str, limit: int) -> Sequence[Launch]:
        mine = self._collection.find({"owner_id": owner_id}, _WITHOUT_JOURNAL)
        cursor = mine.sort("created_at", DESCENDING)
        return [to_launch(document) async for document in cursor.limit(limit)]

    @store_errors
    async def forget(self, owner_id: str) -> bool:
        await self._collection.delete_many({"owner_id": owner_id, **NOTHING_WAITS})
        return await self._collection.find_one({"owner_id": owner_id}, {"_id": 1}) is None

    async def _one(self, wanted: Document) -> Launch | None:
        document = await self._collection.find_one(wanted)
        return to_launch(document) if document is not None else None


def to_launch(document: Document) -> Launch:
    return Launch.model_validate({**document, "id": document["_id"]})
