"""Secrets: one document for each owner, name and skill; a deleted one keeps its version."""

from typing import Any

from common.contracts.events import OutgoingEvent
from common.mongo import Collection, Document
from common.outbox import waiting
from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from keys.model.sealing import Sealed
from keys.model.secret import Secret, SecretKey

_MOST = 1_000


class MongoSecrets:
    def __init__(self, secrets: Collection) -> None:
        self._secrets = secrets

    async def get(self, key: SecretKey) -> Secret | None:
        found = await self._secrets.find_one({"_id": _id_of(key)})
        return _to_secret(found) if found is not None else None

    async def list(self, owner_id: str) -> list[Secret]:
        cursor = self._secrets.find({"owner_id": owner_id, "is_set": True})
        cursor = cursor.sort([("name", ASCENDING), ("skill", ASCENDING)]).limit(_MOST)
        return [_to_secret(found) async for found in cursor]

    async def save(self, secret: Secret, *, emit: OutgoingEvent) -> bool:
        document = _to_document(secret)
        if secret.version == 1:
            new = {"_id": _id_of(secret.key), **document, "outbox": [emit.model_dump()]}
            try:
                await self._secrets.insert_one(new)
            except DuplicateKeyError:
                return False
            return True
        result = await self._secrets.update_one(
            {"_id": _id_of(secret.key), "version": secret.version - 1},
            {"$set": document} | waiting(emit),
        )
        return result.matched_count == 1

    async def erase(self, owner_id: str) -> int:
        result = await self._secrets.update_many(
            {"owner_id": owner_id, "is_set": True},
            {"$set": {"is_set": False, "nonce": b"", "ciphertext": b"", "last_four": ""}},
        )
        return result.modified_count

    async def purge(self, owner_id: str) -> int:
        await self._secrets.delete_many({"owner_id": owner_id, "outbox": []})
        return await self._secrets.count_documents({"owner_id": owner_id})


def _id_of(key: SecretKey) -> str:
    return f"{key.owner_id}|{key.name}|{key.skill or ''}"


def _to_secret(document: Document) -> Secret:
    sealed = Sealed(bytes(document["nonce"]), bytes(document["ciphertext"]))
    return Secret(
        key=SecretKey(document["owner_id"], document["name"], document["skill"]),
        version=document["version"],
        digest=document["digest"],
        last_four=document["last_four"],
        set_at=document["set_at"],
        sealed=sealed if document["is_set"] else None,
    )


def _to_document(secret: Secret) -> dict[str, Any]:
    return {
        "owner_id": secret.key.owner_id,
        "name": secret.key.name,
        "skill": secret.key.skill,
        "version": secret.version,
        "digest": secret.digest,
        "last_four": secret.last_four,
        "set_at": secret.set_at,
        "is_set": secret.sealed is not None,
        "nonce": secret.sealed.nonce if secret.sealed else b"",
        "ciphertext": secret.sealed.ciphertext if secret.sealed else b"",
    }
