"""Owners: the only place where a person's identity stands beside the owner id."""

from datetime import datetime

from common.contracts.events import OutgoingEvent
from common.mongo import Collection, Document
from common.outbox import waiting
from pymongo.errors import DuplicateKeyError

from keys.model.owner import Identity, Owner

_BATCH = 100


class MongoOwners:
    def __init__(self, owners: Collection) -> None:
        self._owners = owners

    async def resolve(self, identity: Identity, *, mint: Owner, emit: OutgoingEvent) -> Owner:
        known = {"issuer": identity.issuer, "subject": identity.subject}
        found = await self._owners.find_one(known)
        if found is not None:
            return _to_owner(found)
        document = {"_id": mint.id, **known, "created_at": mint.created_at}
        try:
            await self._owners.insert_one({**document, "outbox": [emit.model_dump()]})
        except DuplicateKeyError:
            # Another call was first: its owner is everybody's.
            found = await self._owners.find_one(known)
            if found is None:
                raise
            return _to_owner(found)
        return mint

    async def exists(self, owner_id: str) -> bool:
        known = {"_id": owner_id, "erased_at": {"$exists": False}}
        return await self._owners.find_one(known, {"_id": 1}) is not None

    async def forget(self, owner_id: str, *, at: datetime, emit: OutgoingEvent) -> int:
        # The unique index wants something in the identity's place.
        nobody = {"issuer": "", "subject": owner_id, "erased_at": at}
        result = await self._owners.update_one(
            {"_id": owner_id, "erased_at": {"$exists": False}}, {"$set": nobody} | waiting(emit)
        )
        return result.modified_count

    async def forgotten(self, *, before: datetime) -> list[str]:
        due = {"erased_at": {"$lt": before}, "outbox": []}
        return [found["_id"] async for found in self._owners.find(due, {"_id": 1}).limit(_BATCH)]

    async def delete(self, owner_id: str) -> None:
        await self._owners.delete_one({"_id": owner_id, "outbox": []})


def _to_owner(document: Document) -> Owner:
    return Owner(id=document["_id"], created_at=document["created_at"])
