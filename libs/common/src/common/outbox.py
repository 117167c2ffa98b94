"""The outbox relay: events stored in the same document as their cause, published from there.

A document keeps its waiting events in `outbox`. The relay publishes each, files it in the archive
on the acknowledgement, and only then removes it: nothing is lost on a crash, and what is published
twice carries the same id. A document with a waiting event must not be deleted; deletion is a
state, the purge comes after the relay.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from pymongo import ASCENDING, IndexModel, UpdateOne
from pymongo.errors import BulkWriteError

from common.clock import Clock, utc_now
from common.contracts.events import RETENTION, OutgoingEvent
from common.mongo import Collection

OUTBOX_INDEX = IndexModel([("outbox.id", ASCENDING)], sparse=True)
"""Every collection with an outbox declares this index: it is how the relay finds what waits."""

ARCHIVE_INDEXES = (
    IndexModel([("at", ASCENDING)], expireAfterSeconds=int(RETENTION.total_seconds())),
)

_BATCH = 100
_DUPLICATE_KEY = 11000


class Publisher(Protocol):
    """What the relay needs of the bus."""

    async def publish(self, event: OutgoingEvent) -> None: ...


def waiting(*events: OutgoingEvent) -> dict[str, Any]:
    """The update that stores `events` with their cause: merge it into the same `update_one`."""
    return {"$push": {"outbox": {"$each": [event.model_dump() for event in events]}}}


class OutboxRelay:
    """Publishes what waits in the outboxes of `collections`."""

    def __init__(
        self,
        collections: Sequence[Collection],
        archive: Collection,
        publisher: Publisher,
        clock: Clock = utc_now,
    ) -> None:
        self._collections = collections
        self._archive = archive
        self._publisher = publisher
        self._clock = clock

    async def run_once(self) -> int:
        """Publish up to a batch from each collection; return how many events went out."""
        return sum([await self._relay(collection) for collection in self._collections])

    async def run_batched(self) -> int:
        """`run_once` for a loop: 0 unless more may be waiting, so that the events of one interval
        travel together. Sent one by one they would cost as much as the work they tell of.
        """
        sent = await self.run_once()
        return sent if sent >= _BATCH else 0

    async def _relay(self, collection: Collection) -> int:
        # An empty string is below every id, so the multikey index answers this.
        cursor = collection.find({"outbox.id": {"$gt": ""}}, {"outbox": 1}).limit(_BATCH)
        waiting_in = {
            document["_id"]: [
                OutgoingEvent.model_validate(stored) for stored in document["outbox"]
            ]
            async for document in cursor
        }
        events = [event for waits in waiting_in.values() for event in waits]
        for event in events:
            await self._publisher.publish(event)
        if events:
            # One command for all: the store commits once for each command, not for each document.
            await self._file(events)
            await collection.bulk_write(
                [_without(identity, waits) for identity, waits in waiting_in.items()],
                ordered=False,
            )
        return len(events)

    async def _file(self, events: Sequence[OutgoingEvent]) -> None:
        """File each event once; after a crash some are there already."""
        now = self._clock()
        documents = [
            {"_id": event.id, "subject": event.subject, "body": event.body, "at": now}
            for event in events
        ]
        try:
            await self._archive.insert_many(documents, ordered=False)
        except BulkWriteError as exc:
            problems = (exc.details or {}).get("writeErrors", [])
            if any(problem.get("code") != _DUPLICATE_KEY for problem in problems):
                raise


def _without(identity: Any, events: Sequence[OutgoingEvent]) -> UpdateOne:
    published = {"id": {"$in": [event.id for event in events]}}
    return UpdateOne({"_id": identity}, {"$pull": {"outbox": published}})
