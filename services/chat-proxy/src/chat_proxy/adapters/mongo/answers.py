"""Folded answers in MongoDB: a document per turn, its segments an array.

The fields of an entry are kept as JSON text: a tool's arguments hold keys and numbers that BSON
does not.
"""

import json
from collections.abc import AsyncIterator

from common.errors import StaleFenceError
from common.mongo import Database, Document
from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from chat_proxy.adapters.mongo.collections import MESSAGES, answering
from chat_proxy.model.journal import Answer, Segment
from chat_proxy.model.turn import Turn
from chat_proxy.ports import Answers


class MongoAnswers(Answers):
    def __init__(self, database: Database) -> None:
        self._answers = database[MESSAGES]

    async def take(self, turn: Turn) -> Answer:
        with answering():
            await self._answers.update_one(
                {"_id": turn.id, "fence": {"$lt": turn.claim.fence}},
                {"$set": {"fence": turn.claim.fence}},
            )
            document = await self._answers.find_one({"_id": turn.id})
        if document is None:
            return Answer(turn.id)
        if document["fence"] != turn.claim.fence:
            raise _stale(turn)
        return to_answer(document)

    async def save(self, turn: Turn, answer: Answer) -> None:
        first = answer.changed
        segments = [_segment(segment) for segment in answer.segments[first:]]
        state = {"seq": answer.seq, "ended": answer.is_ended}
        answer.stored()
        is_saved = False
        try:
            if first == 0:
                await self._create(turn, segments, state)
            else:
                changed = {f"segments.{first + at}": one for at, one in enumerate(segments)}
                await self._update(turn, changed | state)
            is_saved = True
        finally:
            # Also when cancelled: a segment that is missing would be a hole for ever.
            if not is_saved:
                answer.changed = min(answer.changed, first)

    async def is_ended(self, turn_id: str) -> bool:
        with answering():
            document = await self._answers.find_one({"_id": turn_id}, {"ended": 1})
        return document is not None and bool(document["ended"])

    async def of_session(self, session_id: str) -> list[Answer]:
        return [answer async for answer in self.after(session_id, 0)]

    async def after(self, session_id: str, number: int) -> AsyncIterator[Answer]:
        query = {"session_id": session_id, "seq": {"$gt": number}}
        with answering():
            async for document in self._answers.find(query).sort("seq", ASCENDING):
                yield to_answer(document)

    async def _create(self, turn: Turn, segments: list[Document], state: Document) -> None:
        document = {
            "_id": turn.id,
            "session_id": turn.session_id,
            "owner_id": turn.owner_id,
            "fence": turn.claim.fence,
            "segments": segments,
            **state,
        }
        with answering():
            try:
                await self._answers.insert_one(document)
            except DuplicateKeyError:
                # A former holder, or our own write whose answer was lost.
                await self._update(turn, {"segments": segments, **state})

    async def _update(self, turn: Turn, changed: Document) -> None:
        fence = turn.claim.fence
        # An older write of our own that arrives late changes nothing. Two plain queries, not one
        # with `$or`, for which the embedded store reads every answer there is.
        ours = {"fence": fence, "seq": {"$lte": changed["seq"]}}
        for guard in (ours, {"fence": {"$lt": fence}}):
            query = {"_id": turn.id, **guard}
            with answering():
                result = await self._answers.update_one(
                    query, {"$set": changed | {"fence": fence}}
                )
            if result.matched_count:
                return
        raise _stale(turn)


def to_answer(document: Document) -> Answer:
    return Answer(document["_id"], [_to_segment(one) for one in document["segments"]])


def _segment(segment: Segment) -> Document:
    document: Document = {
        "type": segment.type,
        "seq_from": segment.seq_from,
        "seq": segment.seq,
        "at": segment.at,
    }
    if segment.cuts:
        return document | {"text": segment.text, "cuts": bytes(segment.cuts)}
    return document | {"fields": json.dumps(segment.fields, ensure_ascii=False)}


def _to_segment(document: Document) -> Segment:
    fields = document.get("fields")
    return Segment(
        type=document["type"],
        seq_from=document["seq_from"],
        seq=document["seq"],
        at=document["at"],
        fields={} if fields is None else json.loads(fields),
        joined=document.get("text", ""),
        joined_cuts=bytearray(document.get("cuts", b"")),
    )


def _stale(turn: Turn) -> StaleFenceError:
    return StaleFenceError(f"another process writes the answer of turn {turn.id}")
