"""Events told again from the archives that the services keep beside their records."""

import heapq
import json
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from common.contracts.events import CONTENT_TYPE, STREAM
from common.telemetry.tracing import TRACEPARENT
from nats.aio.client import Client as NatsClient

from operate import documents

ARCHIVE = "events"
Archived = Mapping[str, Any]


@dataclass(frozen=True)
class Wanted:
    """Events that were told from `since` on, and before `until`; of these types, or of all."""

    since: datetime
    until: datetime | None = None
    types: Collection[str] = ()

    def query(self) -> dict[str, Any]:
        told: dict[str, Any] = {"$gte": self.since}
        if self.until is not None:
            told["$lt"] = self.until
        query: dict[str, Any] = {"at": told}
        if self.types:
            query["body.type"] = {"$in": sorted(self.types)}
        return query


@dataclass
class Told:
    """How many of each type were stored again, and how many the stream still had in mind."""

    again: dict[str, int] = field(default_factory=dict)
    still_there: int = 0

    def count(self, event_type: str) -> None:
        self.again[event_type] = self.again.get(event_type, 0) + 1


async def archived(store: documents.Client, wanted: Wanted) -> AsyncIterator[Archived]:
    """Of all services, in the order in which they were told; what was told in one batch, in the
    order in which it happened.
    """
    cursors = [
        store[name][ARCHIVE].find(wanted.query()).sort([("at", 1), ("body.time", 1)]).__aiter__()
        for name in await documents.database_names(store)
    ]
    heads: list[tuple[datetime, str, int, Archived]] = []
    for number in range(len(cursors)):
        await _advance(cursors, number, heads)
    while heads:
        *_, number, event = heapq.heappop(heads)
        yield event
        await _advance(cursors, number, heads)


async def _advance(
    cursors: list[Any], number: int, heads: list[tuple[datetime, str, int, Archived]]
) -> None:
    event = await anext(cursors[number], None)
    if event is not None:
        heapq.heappush(heads, (event["at"], event["body"].get("time", ""), number, event))


async def tell(nats: NatsClient, event: Archived) -> bool:
    """Publish it as it was told first; False when the stream still knows the id and drops it."""
    body: Mapping[str, Any] = event["body"]
    headers = {"Nats-Msg-Id": event["_id"], "content-type": CONTENT_TYPE}
    if TRACEPARENT in body:
        headers[TRACEPARENT] = body[TRACEPARENT]
    done = await nats.jetstream().publish(
        event["subject"], json.dumps(body).encode(), headers=headers, stream=STREAM
    )
    return not done.duplicate


async def republish(nats: NatsClient, store: documents.Client, wanted: Wanted) -> Told:
    """Tell all of them again."""
    told = Told()
    async for event in archived(store, wanted):
        if await tell(nats, event):
            told.count(event["body"]["type"])
        else:
            told.still_there += 1
    return told


async def counted(store: documents.Client, wanted: Wanted) -> Told:
    """What `republish` would tell."""
    told = Told()
    async for event in archived(store, wanted):
        told.count(event["body"]["type"])
    return told
