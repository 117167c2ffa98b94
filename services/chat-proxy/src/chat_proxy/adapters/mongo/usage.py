"""Usage in MongoDB: a document for each owner, day, turn, provider and model, written by the relay
at every call, and the caps that owners set for themselves.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from common.errors import ErrorCode
from common.mongo import Database, Document
from pymongo import DESCENDING
from pymongo.errors import PyMongoError

from chat_proxy.adapters.mongo.collections import CAPS, TURNS, USAGE, answering
from chat_proxy.model.usage import (
    CallFailure,
    Origin,
    SessionUsage,
    Spent,
    Tokens,
    TurnUsage,
    day_of,
    total_of,
)
from chat_proxy.ports import CallLog, Usage

logger = logging.getLogger(__name__)

_SUMS: Mapping[str, Any] = {
    "calls": {"$sum": "$calls"},
    "input_tokens": {"$sum": "$input_tokens"},
    "output_tokens": {"$sum": "$output_tokens"},
    "estimated_tokens": {"$sum": "$estimated_tokens"},
}


class MongoCallLog(CallLog):
    """Never holds up an answer: what cannot be written is logged."""

    def __init__(self, database: Database) -> None:
        self._usage = database[USAGE]
        self._turns = database[TURNS]

    async def origin(self, owner_id: str, session_id: str | None) -> Origin:
        try:
            found = await self._turn(owner_id, session_id)
        except PyMongoError as exc:
            logger.warning("a call's turn is not known: %s", type(exc).__name__)
            return Origin(owner_id)
        if found is None:
            return Origin(owner_id)
        if not found.get("active"):
            return Origin(owner_id, found["session_id"])
        return Origin(owner_id, found["session_id"], found["_id"], found.get("traceparent"))

    async def add(
        self, origin: Origin, provider: str, model: str, tokens: Tokens, at: datetime
    ) -> None:
        counted = {
            "calls": 1,
            "input_tokens": tokens.input,
            "output_tokens": tokens.output,
            "total_tokens": tokens.total,
            "estimated_tokens": tokens.total if tokens.is_estimated else 0,
        }
        update = {"$inc": counted, "$set": {"updated_at": at}, "$unset": {"failure": ""}}
        await self._write(_key(origin, provider, model, at), update)

    async def fail(self, origin: Origin, failure: CallFailure, model: str, at: datetime) -> None:
        document = {
            "code": failure.code.value,
            "detail": failure.detail,
            "retry_at": failure.retry_at,
        }
        update = {
            "$set": {"failure": document, "updated_at": at},
            "$inc": {"failed_calls": 1},
        }
        await self._write(_key(origin, failure.provider, model, at), update)

    async def _turn(self, owner_id: str, session_id: str | None) -> Document | None:
        fields = {"session_id": 1, "active": 1, "traceparent": 1}
        if session_id is not None:
            query: Document = {"session_id": session_id, "owner_id": owner_id}
            return await self._turns.find_one(query, fields, sort=[("created_at", DESCENDING)])
        running = await self._turns.find({"owner_id": owner_id, "active": True}, fields).to_list(2)
        return running[0] if len(running) == 1 else None

    async def _write(self, key: Document, update: Document) -> None:
        name = "|".join(value or "-" for value in key.values())
        try:
            await self._usage.update_one(
                {"_id": name}, {**update, "$setOnInsert": key}, upsert=True
            )
        except PyMongoError:
            logger.exception("usage was not recorded")


class MongoUsage(Usage):
    def __init__(self, database: Database) -> None:
        self._usage = database[USAGE]
        self._caps = database[CAPS]

    async def total(self, owner_id: str, day: str) -> int:
        found = await self._summed({"owner_id": owner_id, "day": day}, by=None)
        return total_of(map(_spent, found)).total

    async def of_turn(self, turn_id: str) -> TurnUsage:
        with answering():
            found = await self._usage.find({"turn_id": turn_id}).to_list()
        if not found:
            return TurnUsage()
        last = max(found, key=lambda document: document["updated_at"])
        return TurnUsage(total_of(map(_spent, found)), _failure(last))

    async def by_day(self, owner_id: str, *, since: str) -> list[tuple[str, Spent]]:
        found = await self._summed({"owner_id": owner_id, "day": {"$gte": since}}, by="day")
        return sorted(((one["_id"], _spent(one)) for one in found), reverse=True)

    async def by_session(self, owner_id: str, *, since: str, limit: int) -> list[SessionUsage]:
        match = {
            "owner_id": owner_id,
            "day": {"$gte": since},
            "session_id": {"$type": "string"},
        }
        found = await self._summed(match, by="session_id", newest=limit)
        return [SessionUsage(one["_id"], _spent(one), one["last_at"]) for one in found]

    async def cap(self, owner_id: str) -> int | None:
        with answering():
            found = await self._caps.find_one({"_id": owner_id})
        return None if found is None else found["daily_tokens"]

    async def set_cap(self, owner_id: str, daily_tokens: int | None, at: datetime) -> None:
        with answering():
            if daily_tokens is None:
                await self._caps.delete_one({"_id": owner_id})
                return
            await self._caps.update_one(
                {"_id": owner_id},
                {"$set": {"daily_tokens": daily_tokens, "set_at": at}},
                upsert=True,
            )

    async def _summed(
        self, match: Document, *, by: str | None, newest: int | None = None
    ) -> list[Document]:
        key = f"${by}" if by else None
        stages: list[Document] = [
            {"$match": match},
            {"$group": {"_id": key, **_SUMS, "last_at": {"$max": "$updated_at"}}},
        ]
        if newest is not None:
            stages += [{"$sort": {"last_at": -1}}, {"$limit": newest}]
        with answering():
            return await (await self._usage.aggregate(stages)).to_list()


def _key(origin: Origin, provider: str, model: str, at: datetime) -> Document:
    return {
        "owner_id": origin.owner_id,
        "day": day_of(at),
        "session_id": origin.session_id,
        "turn_id": origin.turn_id,
        "provider": provider,
        "model": model,
    }


def _spent(document: Document) -> Spent:
    return Spent(
        calls=document.get("calls", 0),
        input=document.get("input_tokens", 0),
        output=document.get("output_tokens", 0),
        estimated=document.get("estimated_tokens", 0),
    )


def _failure(document: Document) -> CallFailure | None:
    found = document.get("failure")
    if found is None:
        return None
    return CallFailure(
        code=ErrorCode(found["code"]),
        detail=found["detail"],
        provider=document["provider"],
        retry_at=found["retry_at"],
    )
