"""Sessions in MongoDB."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from common.contracts.chat import SessionContext
from common.contracts.events import OutgoingEvent
from common.contracts.sandbox import LaunchSkill
from common.errors import ErrorCode, NotFoundError
from common.mongo import Database, Document
from pymongo import DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from chat_proxy.adapters.mongo.collections import (
    APPROVALS,
    MESSAGES,
    SESSIONS,
    SHARES,
    TURNS,
    WORDS,
    answering,
    outbox_of,
    with_event,
)
from chat_proxy.model.session import ChatSession, Place, SessionState, words_of
from chat_proxy.model.turn import Turn
from chat_proxy.ports import Sessions

_NEWEST = [("updated_at", DESCENDING), ("_id", DESCENDING)]


class MongoSessions(Sessions):
    def __init__(self, database: Database) -> None:
        self._sessions = database[SESSIONS]
        self._turns = database[TURNS]
        self._words = database[WORDS]
        self._of_session = tuple(
            database[name] for name in (MESSAGES, TURNS, APPROVALS, SHARES, WORDS)
        )

    async def create(
        self, session: ChatSession, *, idempotency_key: str | None, emit: OutgoingEvent
    ) -> ChatSession:
        document = to_document(session) | {
            "words": _title_words(session),
            "outbox": outbox_of(emit),
        }
        if idempotency_key is not None:
            document["idempotency_key"] = idempotency_key
        with answering():
            try:
                await self._sessions.insert_one(document)
            except DuplicateKeyError:
                query = {"owner_id": session.owner_id, "idempotency_key": idempotency_key}
                return to_session(await self._one(query))
        return session

    async def get(self, owner_id: str, session_id: str) -> ChatSession:
        query = {"_id": session_id, "owner_id": owner_id, "state": SessionState.ACTIVE.value}
        return to_session(await self._one(query))

    async def find(self, session_id: str) -> ChatSession:
        return to_session(await self._one({"_id": session_id}))

    async def list(
        self, owner_id: str, *, words: Sequence[str], limit: int, after: Place | None = None
    ) -> list[ChatSession]:
        query: Document = {"owner_id": owner_id, "state": SessionState.ACTIVE.value}
        if after is not None:
            earlier = {"updated_at": {"$lt": after.updated_at}}
            beside = {"updated_at": after.updated_at, "_id": {"$lt": after.session_id}}
            query["$or"] = [earlier, beside]
        with answering():
            if words:
                query["_id"] = {"$in": [*await self._with_words(owner_id, words)]}
            cursor = self._sessions.find(query).sort(_NEWEST).limit(limit)
            return [to_session(document) async for document in cursor]

    async def titles(self, owner_id: str, session_ids: Sequence[str]) -> dict[str, str]:
        query = {
            "_id": {"$in": list(session_ids)},
            "owner_id": owner_id,
            "state": SessionState.ACTIVE.value,
        }
        with answering():
            cursor = self._sessions.find(query, {"title": 1})
            return {document["_id"]: document["title"] async for document in cursor}

    async def rename(self, session: ChatSession) -> ChatSession:
        update = {
            "$set": {
                "title": session.title,
                "titled": True,
                "updated_at": session.updated_at,
                "words": _title_words(session),
            }
        }
        return to_session(await self._update({"_id": session.id}, update))

    async def entitle(self, session_id: str, title: str, at: datetime) -> None:
        update = {"$set": {"title": title, "titled": True, "updated_at": at}}
        with answering():
            await self._sessions.update_one({"_id": session_id, "titled": False}, update)

    async def touch(self, session_id: str, at: datetime) -> None:
        with answering():
            await self._sessions.update_one({"_id": session_id}, {"$set": {"updated_at": at}})

    async def keep_agent_session(self, session_id: str, agent_session: str) -> None:
        with answering():
            await self._sessions.update_one(
                {"_id": session_id}, {"$set": {"agent_session": agent_session}}
            )

    async def end_turn(
        self, turn: Turn, *, last_seq: int, words: Sequence[str], at: datetime
    ) -> None:
        update = {"$set": {"updated_at": at}, "$max": {"last_seq": last_seq}}
        found_by = {
            "owner_id": turn.owner_id,
            "session_id": turn.session_id,
            "words": list(words),
        }
        with answering():
            await self._words.update_one({"_id": turn.id}, {"$set": found_by}, upsert=True)
            await self._sessions.update_one({"_id": turn.session_id}, update)

    async def keep_thread(self, session: ChatSession, thread: str) -> None:
        with answering():
            await self._sessions.update_one({"_id": session.id}, {"$set": {"thread": thread}})

    async def with_thread(self, owner_id: str, thread: str) -> ChatSession:
        return to_session(await self._one(_kept_under(owner_id, thread)))

    async def take_thread(self, owner_id: str, thread: str) -> ChatSession:
        query = _kept_under(owner_id, thread)
        return to_session(await self._update(query, {"$unset": {"thread": ""}}))

    async def delete(self, owner_id: str, session_id: str, *, emit: OutgoingEvent) -> ChatSession:
        query = {"_id": session_id, "owner_id": owner_id, "state": SessionState.ACTIVE.value}
        update = {"$set": {"state": SessionState.DELETED.value}}
        return to_session(await self._update(query, with_event(update, emit)))

    async def purge(self, *, limit: int) -> int:
        query = {"state": SessionState.DELETED.value, "outbox.id": {"$exists": False}}
        purged = 0
        with answering():
            async for document in self._sessions.find(query, {"_id": 1}).limit(limit):
                purged += await self._purge(document["_id"])
        return purged

    async def _purge(self, session_id: str) -> int:
        busy = {
            "session_id": session_id,
            "$or": [{"active": True}, {"outbox.id": {"$exists": True}}],
        }
        if await self._turns.find_one(busy, {"_id": 1}) is not None:
            return 0
        for collection in self._of_session:
            await collection.delete_many({"session_id": session_id})
        await self._sessions.delete_one({"_id": session_id})
        return 1

    async def _with_words(self, owner_id: str, words: Sequence[str]) -> set[str]:
        """The sessions that hold every word, in the title or anywhere in their turns."""
        found: set[str] | None = None
        for position, word in enumerate(words):
            # The last word may be in typing; words hold only letters, digits and underscores.
            is_last = position == len(words) - 1
            query = {"owner_id": owner_id, "words": {"$regex": f"^{word}"} if is_last else word}
            holding = {
                *await self._sessions.distinct("_id", query),
                *await self._words.distinct("session_id", query),
            }
            found = holding if found is None else found & holding
            if not found:
                break
        return found or set()

    async def _one(self, query: Document) -> Document:
        with answering():
            return _found(await self._sessions.find_one(query))

    async def _update(self, query: Document, update: Document) -> Document:
        with answering():
            return _found(
                await self._sessions.find_one_and_update(
                    query, update, return_document=ReturnDocument.AFTER
                )
            )


def _title_words(session: ChatSession) -> list[str]:
    return words_of(f"{session.title} {session.skill.ref}")


def _kept_under(owner_id: str, thread: str) -> Document:
    return {"owner_id": owner_id, "thread": thread, "state": SessionState.ACTIVE.value}


def to_document(session: ChatSession) -> Document:
    return {
        "_id": session.id,
        "owner_id": session.owner_id,
        "launch_id": session.launch_id,
        "skill": session.skill.model_dump(),
        "title": session.title,
        "titled": session.titled,
        "state": session.state.value,
        "last_seq": session.last_seq,
        "agent_session": session.agent_session,
        "context": session.context.model_dump() if session.context else None,
        "created_at": session.created_at,
        "updated_at": session.updated_at,
    }


def to_session(document: Document) -> ChatSession:
    fields: dict[str, Any] = {key: document[key] for key in _PLAIN}
    context = document.get("context")
    return ChatSession(
        id=document["_id"],
        skill=LaunchSkill.model_validate(document["skill"]),
        state=SessionState(document["state"]),
        context=SessionContext.model_validate(context) if context else None,
        **fields,
    )


_PLAIN = (
    "owner_id",
    "launch_id",
    "title",
    "titled",
    "last_seq",
    "agent_session",
    "created_at",
    "updated_at",
)


def _found(document: Document | None) -> Document:
    if document is None:
        message = "no such session"
        raise NotFoundError(message, code=ErrorCode.SESSION_NOT_FOUND)
    return document
