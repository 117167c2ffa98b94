"""`acknowledgements`, `orphans`, `leases` and `pointers`."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from common.mongo import Collection
from pymongo.errors import DuplicateKeyError

from sandbox_manager.adapters.mongo.records import store_errors
from sandbox_manager.ports.stores import Acknowledgements, Leadership, Orphans, SnapshotPointer

ACKNOWLEDGEMENTS = "acknowledgements"
ORPHANS = "orphans"
POINTERS = "pointers"
LEASES = "leases"

_RECONCILER = "reconciler"
_SNAPSHOT = "snapshot"


class MongoAcknowledgements(Acknowledgements):
    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    @store_errors
    async def add(self, owner_id: str, digest: str, now: datetime) -> None:
        await self._collection.update_one(
            {"_id": f"{owner_id}:{digest}"},
            {"$setOnInsert": {"owner_id": owner_id, "digest": digest, "at": now}},
            upsert=True,
        )

    @store_errors
    async def has(self, owner_id: str, digest: str) -> bool:
        found = await self._collection.find_one({"_id": f"{owner_id}:{digest}"}, {"_id": 1})
        return found is not None

    @store_errors
    async def count(self, owner_id: str) -> int:
        return await self._collection.count_documents({"owner_id": owner_id})

    @store_errors
    async def forget(self, owner_id: str) -> None:
        await self._collection.delete_many({"owner_id": owner_id})


class MongoOrphans(Orphans):
    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    @store_errors
    async def since(self, sandbox_ids: Sequence[str]) -> Mapping[str, datetime]:
        found = self._collection.find({"_id": {"$in": list(sandbox_ids)}})
        return {document["_id"]: document["since"] async for document in found}

    @store_errors
    async def keep(self, sandbox_ids: Sequence[str], now: datetime) -> None:
        await self._collection.delete_many({"_id": {"$nin": list(sandbox_ids)}})
        for sandbox_id in sandbox_ids:
            await self._collection.update_one(
                {"_id": sandbox_id}, {"$setOnInsert": {"since": now}}, upsert=True
            )


class MongoLeadership(Leadership):
    """A lease with an end: the holder renews it each time it asks, another takes it when it ran
    out.
    """

    def __init__(self, collection: Collection, worker: str, ttl: timedelta) -> None:
        self._collection = collection
        self._worker = worker
        self._ttl = ttl

    @store_errors
    async def is_leader(self, now: datetime) -> bool:
        mine_or_free = {"$or": [{"holder": self._worker}, {"until": {"$lte": now}}]}
        try:
            done = await self._collection.update_one(
                {"_id": _RECONCILER, **mine_or_free},
                {"$set": {"holder": self._worker, "until": now + self._ttl}},
                upsert=True,
            )
        except DuplicateKeyError:
            return False
        return done.matched_count == 1 or done.upserted_id is not None


class MongoSnapshotPointer(SnapshotPointer):
    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    @store_errors
    async def current(self) -> str | None:
        document = await self._collection.find_one({"_id": _SNAPSHOT})
        return str(document["name"]) if document is not None else None

    @store_errors
    async def point_to(self, name: str) -> None:
        await self._collection.update_one(
            {"_id": _SNAPSHOT}, {"$set": {"name": name}}, upsert=True
        )
