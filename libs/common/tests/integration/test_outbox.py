"""Events reach the stream exactly as stored, whatever is killed in between."""

from datetime import UTC, datetime

import pytest
from common.contracts.events import SANDBOX_CREATED, OutgoingEvent, SandboxChanged
from common.ids import new_id
from common.messaging.events import EventPublisher
from common.messaging.streams import EVENTS_STREAM
from common.mongo import Database
from common.outbox import OutboxRelay, waiting
from nats.aio.client import Client


def event() -> OutgoingEvent:
    data = SandboxChanged(owner_id=new_id("own"), sandbox_id=new_id("sbx"), state="active")
    return SANDBOX_CREATED.of(data, entity_id=data.sandbox_id, at=datetime(2026, 1, 1, tzinfo=UTC))


class DiesAfterPublishing:
    """Publishes and then fails, as a process killed before it could note the acknowledgement."""

    def __init__(self, publisher: EventPublisher) -> None:
        self._publisher = publisher

    async def publish(self, event: OutgoingEvent) -> None:
        await self._publisher.publish(event)
        raise ConnectionError("killed")


class TestRelay:
    async def test_events_are_published_archived_and_removed(
        self, database: Database, nats_connection: Client
    ) -> None:
        things, archive = database["things"], database["events"]
        first, second = event(), event()
        await things.update_one({"_id": 1}, waiting(first, second), upsert=True)
        relay = OutboxRelay([things], archive, EventPublisher(nats_connection.jetstream()))

        assert await relay.run_once() == 2
        assert await relay.run_once() == 0
        assert await things.find_one({"_id": 1}) == {"_id": 1, "outbox": []}
        assert await archive.count_documents({"_id": {"$in": [first.id, second.id]}}) == 2

    async def test_a_loop_waits_unless_there_may_be_more(
        self, database: Database, nats_connection: Client
    ) -> None:
        things = database["many"]
        for number in range(150):
            await things.update_one({"_id": number}, waiting(event()), upsert=True)
        relay = OutboxRelay(
            [things], database["events"], EventPublisher(nats_connection.jetstream())
        )

        assert [await relay.run_batched() for _ in range(2)] == [100, 0]
        assert await things.count_documents({"outbox.0": {"$exists": True}}) == 0

    async def test_a_crash_after_publishing_doubles_nothing(
        self, database: Database, nats_connection: Client
    ) -> None:
        jetstream = nats_connection.jetstream()
        things, archive, publisher = database["t"], database["events"], EventPublisher(jetstream)
        only = event()
        await things.update_one({"_id": 1}, waiting(only), upsert=True)
        before = (await jetstream.stream_info(EVENTS_STREAM)).state.messages

        with pytest.raises(ConnectionError):
            await OutboxRelay([things], archive, DiesAfterPublishing(publisher)).run_once()
        await OutboxRelay([things], archive, publisher).run_once()

        after = (await jetstream.stream_info(EVENTS_STREAM)).state.messages
        assert after - before == 1

    async def test_what_is_archived_already_is_filed_once_with_the_others(
        self, database: Database, nats_connection: Client
    ) -> None:
        things, archive = database["f"], database["archive"]
        known, new = event(), event()
        await archive.insert_one({"_id": known.id})
        await things.update_one({"_id": 1}, waiting(known, new), upsert=True)

        await OutboxRelay(
            [things], archive, EventPublisher(nats_connection.jetstream())
        ).run_once()

        assert await things.find_one({"_id": 1}) == {"_id": 1, "outbox": []}
        assert await archive.count_documents({}) == 2
