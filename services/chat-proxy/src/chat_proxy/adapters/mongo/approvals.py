"""Approvals in MongoDB; a write says which state and choice it expects."""

from typing import Any

from common.contracts.chat import ApprovalChoice, ApprovalState
from common.contracts.events import OutgoingEvent
from common.errors import ErrorCode, NotFoundError, StaleFenceError
from common.mongo import Database, Document
from pymongo import ASCENDING

from chat_proxy.adapters.mongo.collections import APPROVALS, answering, outbox_of, with_event
from chat_proxy.model.approval import SCOPES, Approval
from chat_proxy.ports import Approvals


class MongoApprovals(Approvals):
    def __init__(self, database: Database) -> None:
        self._approvals = database[APPROVALS]

    async def ask(self, approval: Approval, *, emit: OutgoingEvent) -> None:
        document = {**to_document(approval), "outbox": outbox_of(emit)}
        with answering():
            # An upsert, so that asking again after a lost answer is no error.
            await self._approvals.update_one(
                {"_id": approval.id}, {"$setOnInsert": document}, upsert=True
            )

    async def get(self, owner_id: str, session_id: str, approval_id: str) -> Approval:
        query = {"_id": approval_id, "session_id": session_id, "owner_id": owner_id}
        with answering():
            document = await self._approvals.find_one(query)
        if document is None:
            message = "no such approval"
            raise NotFoundError(message, code=ErrorCode.APPROVAL_NOT_FOUND)
        return to_approval(document)

    async def save(
        self, approval: Approval, *, expected: Approval, emit: OutgoingEvent | None = None
    ) -> None:
        query = {"_id": approval.id, "state": expected.state.value, "choice": _value(expected)}
        update = with_event({"$set": _changing(approval)}, emit)
        with answering():
            result = await self._approvals.update_one(query, update)
            if result.matched_count:
                return
            stored = await self._approvals.find_one({"_id": approval.id})
        if stored is None or to_approval(stored) != approval:
            message = f"approval {approval.id} is no longer {expected.state}"
            raise StaleFenceError(message)

    async def of_turn(self, turn_id: str) -> list[Approval]:
        return await self._all({"turn_id": turn_id})

    async def with_scope(
        self, owner_id: str, session_id: str, skill_digest: str
    ) -> list[Approval]:
        always = {"skill_digest": skill_digest, "choice": ApprovalChoice.ALWAYS.value}
        query = {
            "owner_id": owner_id,
            "state": ApprovalState.DELIVERED.value,
            "choice": {"$in": [choice.value for choice in SCOPES]},
            "$or": [{"session_id": session_id}, always],
        }
        return await self._all(query)

    async def _all(self, query: Document) -> list[Approval]:
        with answering():
            cursor = self._approvals.find(query).sort("asked_at", ASCENDING)
            return [to_approval(document) async for document in cursor]


def to_document(approval: Approval) -> Document:
    return {
        "_id": approval.id,
        "session_id": approval.session_id,
        "turn_id": approval.turn_id,
        "owner_id": approval.owner_id,
        "skill_digest": approval.skill_digest,
        "command": approval.command,
        "rules": list(approval.rules),
        "choices": [choice.value for choice in approval.choices],
        "asked_at": approval.asked_at,
        "expires_at": approval.expires_at,
        "description": approval.description,
        "call_id": approval.call_id,
        **_changing(approval),
    }


def _changing(approval: Approval) -> Document:
    return {
        "state": approval.state.value,
        "choice": _value(approval),
        "decision": approval.decision,
        "detail": approval.detail,
        "decided_at": approval.decided_at,
    }


def to_approval(document: Document) -> Approval:
    fields: dict[str, Any] = {key: document[key] for key in _PLAIN}
    choice = document["choice"]
    return Approval(
        id=document["_id"],
        rules=tuple(document["rules"]),
        choices=tuple(ApprovalChoice(choice) for choice in document["choices"]),
        state=ApprovalState(document["state"]),
        choice=ApprovalChoice(choice) if choice else None,
        decision=document.get("decision", ""),
        **fields,
    )


_PLAIN = (
    "session_id",
    "turn_id",
    "owner_id",
    "skill_digest",
    "command",
    "asked_at",
    "expires_at",
    "description",
    "call_id",
    "detail",
    "decided_at",
)


def _value(approval: Approval) -> str | None:
    return approval.choice.value if approval.choice else None
