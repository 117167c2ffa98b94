"""Turns in MongoDB; every write of a holder is guarded by the fencing token of its claim."""

from collections.abc import Collection
from datetime import datetime

from common.contracts.chat import TurnState
from common.contracts.events import OutgoingEvent
from common.contracts.sandbox import Failure
from common.errors import ErrorCode, NotFoundError, StaleFenceError
from common.mongo import Database, Document
from pymongo import ASCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from chat_proxy.adapters.mongo.collections import TURNS, answering, outbox_of, with_event
from chat_proxy.adapters.mongo.renewals import Renewals
from chat_proxy.model.turn import CLAIM_TTL, Claim, Turn
from chat_proxy.ports import Turns

_NEVER_PROMPTED = [
    ErrorCode.SANDBOX_UNAVAILABLE.value,
    ErrorCode.SANDBOX_NOT_FOUND.value,
    ErrorCode.SANDBOX_BUSY.value,
    ErrorCode.LAUNCH_NOT_READY.value,
    ErrorCode.INSTALL_FAILED.value,
]
"""Ends of turns whose text the agent has not heard."""


class MongoTurns(Turns):
    def __init__(self, database: Database) -> None:
        self._turns = database[TURNS]
        self._renewals = Renewals(self._turns)

    async def start(
        self, turn: Turn, *, idempotency_key: str | None, emit: OutgoingEvent
    ) -> Turn | None:
        document = to_document(turn) | {"active": True, "outbox": outbox_of(emit)}
        if idempotency_key is not None:
            document["idempotency_key"] = idempotency_key
        with answering():
            try:
                await self._turns.insert_one(document)
            except DuplicateKeyError:
                if idempotency_key is None:
                    return None
                return await self.with_key(turn.session_id, idempotency_key)
        return turn

    async def get(self, owner_id: str, session_id: str, turn_id: str) -> Turn:
        query = {"_id": turn_id, "session_id": session_id, "owner_id": owner_id}
        with answering():
            document = await self._turns.find_one(query)
        if document is None:
            message = "no such turn"
            raise NotFoundError(message, code=ErrorCode.TURN_NOT_FOUND)
        return to_turn(document)

    async def with_key(self, session_id: str, idempotency_key: str) -> Turn | None:
        query = {"session_id": session_id, "idempotency_key": idempotency_key}
        with answering():
            document = await self._turns.find_one(query)
        return None if document is None else to_turn(document)

    async def active(self, session_id: str) -> Turn | None:
        with answering():
            document = await self._turns.find_one({"session_id": session_id, "active": True})
        return None if document is None else to_turn(document)

    async def running(self, session_ids: Collection[str]) -> dict[str, str]:
        query = {"session_id": {"$in": list(session_ids)}, "active": True}
        with answering():
            cursor = self._turns.find(query, {"session_id": 1})
            return {document["session_id"]: document["_id"] async for document in cursor}

    async def of_session(self, session_id: str) -> list[Turn]:
        with answering():
            cursor = self._turns.find({"session_id": session_id}).sort("created_at", ASCENDING)
            return [to_turn(document) async for document in cursor]

    async def has_active(self, owner_id: str, count: int) -> bool:
        with answering():
            cursor = self._turns.find({"owner_id": owner_id, "active": True}, {"_id": 1})
            return len(await cursor.limit(count).to_list()) >= count

    async def count_same(self, turn: Turn) -> int:
        query = {
            "session_id": turn.session_id,
            "agent_session": turn.agent_session,
            "text": turn.text,
            "created_at": {"$lt": turn.created_at},
            "error.code": {"$nin": _NEVER_PROMPTED},
        }
        with answering():
            return await self._turns.count_documents(query)

    async def save(self, turn: Turn, *, emit: OutgoingEvent | None = None) -> None:
        update: Document = {"$set": _changing(turn)}
        if turn.is_ended:
            update["$unset"] = {"active": ""}
        with answering():
            result = await self._turns.update_one(_held(turn), with_event(update, emit))
        if result.matched_count == 0:
            raise _stale(turn)

    async def renew(self, turn: Turn, now: datetime) -> Turn:
        document = await self._renewals.renew(turn, now)
        if document is None or document["claim"]["fence"] != turn.claim.fence:
            raise _stale(turn)
        return to_turn(document)

    async def give_back(self, turn: Turn, now: datetime) -> None:
        with answering():
            result = await self._turns.update_one(_held(turn), {"$set": {"claim.until": now}})
        if result.matched_count == 0:
            raise _stale(turn)

    async def request_stop(self, turn: Turn) -> None:
        with answering():
            await self._turns.update_one(
                {"_id": turn.id, "active": True}, {"$set": {"stop_requested": True}}
            )

    async def claim_due(
        self, holder: str, now: datetime, *, here: Collection[str], limit: int
    ) -> list[Turn]:
        query = {"active": True, "claim.until": {"$lte": now}, "_id": {"$nin": list(here)}}
        update = {
            "$set": {"claim.holder": holder, "claim.until": now + CLAIM_TTL},
            "$inc": {"claim.fence": 1},
        }
        claimed: list[Turn] = []
        with answering():
            while len(claimed) < limit:
                document = await self._turns.find_one_and_update(
                    query, update, return_document=ReturnDocument.AFTER
                )
                if document is None:
                    break
                claimed.append(to_turn(document))
        return claimed


def to_document(turn: Turn) -> Document:
    return {
        "_id": turn.id,
        "session_id": turn.session_id,
        "owner_id": turn.owner_id,
        "text": turn.text,
        "attachments": list(turn.attachments),
        "created_at": turn.created_at,
        "traceparent": turn.traceparent,
        "stop_requested": turn.stop_requested,
        "claim": {
            "holder": turn.claim.holder,
            "fence": turn.claim.fence,
            "until": turn.claim.until,
        },
        **_changing(turn),
    }


def _changing(turn: Turn) -> Document:
    return {
        "state": turn.state.value,
        "skill_digest": turn.skill_digest,
        "other_skills": list(turn.other_skills),
        "seq_from": turn.seq_from,
        "agent_session": turn.agent_session,
        "total_tokens": turn.total_tokens,
        "error": turn.error.model_dump(mode="json") if turn.error else None,
        "ended_at": turn.ended_at,
    }


def to_turn(document: Document) -> Turn:
    claim, error = document["claim"], document["error"]
    return Turn(
        id=document["_id"],
        session_id=document["session_id"],
        owner_id=document["owner_id"],
        text=document["text"],
        created_at=document["created_at"],
        traceparent=document.get("traceparent"),
        attachments=tuple(document.get("attachments", ())),
        claim=Claim(holder=claim["holder"], fence=claim["fence"], until=claim["until"]),
        state=TurnState(document["state"]),
        skill_digest=document["skill_digest"],
        other_skills=tuple(document["other_skills"]),
        stop_requested=document["stop_requested"],
        seq_from=document["seq_from"],
        agent_session=document["agent_session"],
        total_tokens=document["total_tokens"],
        error=Failure.model_validate(error) if error else None,
        ended_at=document["ended_at"],
    )


def _held(turn: Turn) -> Document:
    return {"_id": turn.id, "active": True, "claim.fence": turn.claim.fence}


def _stale(turn: Turn) -> StaleFenceError:
    return StaleFenceError(f"another process holds turn {turn.id}, or it has ended")
