"""`sandboxes`: one document per owner, never removed."""

import asyncio
import contextlib
from collections.abc import Sequence
from weakref import WeakValueDictionary

from common.contracts.events import OutgoingEvent
from common.contracts.sandbox import SandboxState
from common.mongo import Collection, Document
from common.outbox import OUTBOX_INDEX
from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from sandbox_manager.adapters.mongo.records import (
    NOTHING_WAITS,
    Versioned,
    store_errors,
    to_document,
)
from sandbox_manager.model.account import OPERATORS
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.ports.stores import SandboxChange, Sandboxes

SANDBOXES = "sandboxes"
SANDBOX_INDEXES = (
    IndexModel([("state", ASCENDING)]),
    IndexModel([("relay_tokens", ASCENDING)]),
    OUTBOX_INDEX,
)

_CHANGING = {"state": {"$in": [SandboxState.CREATING.value, SandboxState.DELETING.value]}}
_EXISTING = {"state": {"$ne": SandboxState.ABSENT.value}}


class MongoSandboxes(Sandboxes):
    """Changes of one sandbox from this process wait for each other: the use-leases of many turns
    are renewed at once, and each that is tried in vain costs the store as much as one that is not.
    """

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._changing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._versioned = Versioned(collection, to_sandbox, "sandbox")

    @store_errors
    async def get(self, owner_id: str) -> Sandbox:
        document = await self._collection.find_one({"_id": owner_id})
        return to_sandbox(document) if document is not None else Sandbox(owner_id=owner_id)

    @store_errors
    async def apply(
        self,
        owner_id: str,
        change: SandboxChange,
        *,
        known: Sandbox | None = None,
        event: OutgoingEvent | None = None,
    ) -> Sandbox | None:
        async def read() -> Sandbox:
            return await self._ensured(owner_id)

        lock = self._changing.setdefault(owner_id, asyncio.Lock())
        is_known = known is not None and not lock.locked()
        async with lock:
            return await self._versioned.apply(
                known if is_known else None, read, change, [event] if event else []
            )

    @store_errors
    async def by_relay_token(self, sha256: str) -> Sandbox | None:
        document = await self._collection.find_one({"relay_tokens": sha256})
        return to_sandbox(document) if document is not None else None

    @store_errors
    async def forget(self, owner_id: str) -> bool:
        await self._collection.delete_one({"_id": owner_id, **NOTHING_WAITS})
        return await self._collection.find_one({"_id": owner_id}, {"_id": 1}) is None

    @store_errors
    async def existing(self) -> Sequence[Sandbox]:
        return [to_sandbox(document) async for document in self._collection.find(_EXISTING)]

    @store_errors
    async def changing(self) -> Sequence[Sandbox]:
        return [to_sandbox(document) async for document in self._collection.find(_CHANGING)]

    @store_errors
    async def count_before(self, sandbox: Sandbox) -> int:
        at, owner_id = sandbox.created_at, sandbox.owner_id
        earlier = [{"created_at": {"$lt": at}}, {"created_at": at, "_id": {"$lt": owner_id}}]
        return await self._collection.count_documents(
            {**_EXISTING, "account": OPERATORS, "$or": earlier}
        )

    async def _ensured(self, owner_id: str) -> Sandbox:
        document = await self._collection.find_one({"_id": owner_id})
        if document is not None:
            return to_sandbox(document)
        absent = Sandbox(owner_id=owner_id)
        fields = to_document(absent)
        # Raised when another process stores it at the same moment.
        with contextlib.suppress(DuplicateKeyError):
            await self._collection.update_one(
                {"_id": fields.pop("_id")}, {"$setOnInsert": fields}, upsert=True
            )
        return absent


def to_sandbox(document: Document) -> Sandbox:
    return Sandbox.model_validate({**document, "owner_id": document["_id"]})
