"""Shares in MongoDB; one that has ended is told from one that never was, for a month."""

from datetime import datetime, timedelta
from typing import Any

from common.contracts.sandbox import Receipt
from common.mongo import Database, Document
from pymongo import DESCENDING

from chat_proxy.adapters.mongo.collections import SHARES, answering
from chat_proxy.model.share import Share
from chat_proxy.ports import Shares

_REMEMBERED = timedelta(days=30)


class MongoShares(Shares):
    def __init__(self, database: Database) -> None:
        self._shares = database[SHARES]

    async def add(self, share: Share) -> None:
        with answering():
            await self._shares.insert_one(to_document(share))

    async def of_session(self, owner_id: str, session_id: str, now: datetime) -> list[Share]:
        query = {
            "owner_id": owner_id,
            "session_id": session_id,
            "ended_at": None,
            "expires_at": {"$gt": now},
        }
        with answering():
            cursor = self._shares.find(query).sort("created_at", DESCENDING)
            return [to_share(document) async for document in cursor]

    async def with_token(self, token_sha256: str) -> Share | None:
        with answering():
            document = await self._shares.find_one({"token_sha256": token_sha256})
        return None if document is None else to_share(document)

    async def end(self, owner_id: str, session_id: str, at: datetime) -> None:
        query = {"owner_id": owner_id, "session_id": session_id, "ended_at": None}
        with answering():
            await self._shares.update_many(
                query, {"$set": {"ended_at": at, "purge_at": at + _REMEMBERED}}
            )


def to_document(share: Share) -> Document:
    return {
        "_id": share.id,
        **{name: getattr(share, name) for name in _PLAIN},
        "receipt": share.receipt.model_dump(mode="json") if share.receipt else None,
        "purge_at": share.expires_at + _REMEMBERED,
    }


def to_share(document: Document) -> Share:
    fields: dict[str, Any] = {name: document[name] for name in _PLAIN}
    receipt = document["receipt"]
    return Share(
        id=document["_id"],
        receipt=Receipt.model_validate(receipt) if receipt else None,
        **fields,
    )


_PLAIN = (
    "owner_id",
    "session_id",
    "token_sha256",
    "last_seq",
    "with_tools",
    "with_reasoning",
    "created_at",
    "expires_at",
    "ended_at",
)
