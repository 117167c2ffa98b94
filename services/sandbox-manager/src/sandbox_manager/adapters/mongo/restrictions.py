"""`restrictions` by key, and `deeds`, the audit of operators."""

from collections.abc import Sequence

from common.mongo import Collection, Document
from pymongo import DESCENDING, IndexModel

from sandbox_manager.adapters.mongo.records import store_errors, to_document
from sandbox_manager.model.restriction import Deed, Restriction
from sandbox_manager.ports.stores import Deeds, Restrictions

RESTRICTIONS = "restrictions"
DEEDS = "deeds"
DEED_INDEXES = (IndexModel([("at", DESCENDING)]),)


class MongoRestrictions(Restrictions):
    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    @store_errors
    async def standing(self, keys: Sequence[str]) -> Sequence[Restriction]:
        return [_restriction(one) async for one in self._collection.find(_among(keys))]

    @store_errors
    async def all(self) -> Sequence[Restriction]:
        return [_restriction(one) async for one in self._collection.find({}).sort("_id")]

    @store_errors
    async def put(self, restriction: Restriction) -> None:
        await self._collection.replace_one(
            {"_id": restriction.key}, restriction.model_dump(), upsert=True
        )

    @store_errors
    async def lift(self, key: str) -> None:
        await self._collection.delete_one({"_id": key})


class MongoDeeds(Deeds):
    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    @store_errors
    async def add(self, deed: Deed) -> None:
        await self._collection.insert_one(to_document(deed))

    @store_errors
    async def newest(self, limit: int) -> Sequence[Deed]:
        cursor = self._collection.find({}).sort("at", DESCENDING).limit(limit)
        return [Deed.model_validate({**one, "id": one["_id"]}) async for one in cursor]


def _among(keys: Sequence[str]) -> Document:
    return {"_id": {"$in": list(keys)}}


def _restriction(document: Document) -> Restriction:
    return Restriction.model_validate(document)
