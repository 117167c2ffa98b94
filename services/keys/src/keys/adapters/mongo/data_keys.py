"""Wrapped data keys, one an owner. An erased owner's leaves an empty record, so that no call under
way can add a new one.
"""

from typing import Any

from common.errors import NotFoundError
from common.mongo import Collection, Document
from pymongo.errors import DuplicateKeyError

from keys.model.sealing import Sealed, WrappedKey


class MongoDataKeys:
    def __init__(self, data_keys: Collection) -> None:
        self._keys = data_keys

    async def get(self, owner_id: str) -> WrappedKey | None:
        found = await self._keys.find_one({"_id": owner_id})
        return _to_key(found) if found is not None and found["master_id"] else None

    async def add(self, wrapped: WrappedKey) -> WrappedKey:
        try:
            await self._keys.insert_one({"_id": wrapped.owner_id, **_to_document(wrapped)})
        except DuplicateKeyError as exc:
            stored = await self.get(wrapped.owner_id)
            if stored is None:
                message = "this owner was erased"
                raise NotFoundError(message) from exc
            return stored
        return wrapped

    async def replace(self, wrapped: WrappedKey, *, expected_master_id: str) -> bool:
        result = await self._keys.update_one(
            {"_id": wrapped.owner_id, "master_id": expected_master_id},
            {"$set": _to_document(wrapped)},
        )
        return result.matched_count == 1

    async def wrapped_otherwise(self, master_id: str, *, limit: int) -> list[WrappedKey]:
        other = {"master_id": {"$nin": [master_id, ""]}}
        return [_to_key(found) async for found in self._keys.find(other).limit(limit)]

    async def shred(self, owner_id: str) -> int:
        empty = {"master_id": "", "nonce": b"", "ciphertext": b""}
        before = await self._keys.find_one_and_update(
            {"_id": owner_id}, {"$set": empty}, upsert=True
        )
        return 1 if before is not None and before["master_id"] else 0

    async def delete(self, owner_id: str) -> None:
        await self._keys.delete_one({"_id": owner_id, "master_id": ""})


def _to_key(document: Document) -> WrappedKey:
    sealed = Sealed(bytes(document["nonce"]), bytes(document["ciphertext"]))
    return WrappedKey(document["_id"], document["master_id"], sealed)


def _to_document(wrapped: WrappedKey) -> dict[str, Any]:
    return {
        "master_id": wrapped.master_id,
        "nonce": wrapped.sealed.nonce,
        "ciphertext": wrapped.sealed.ciphertext,
    }
