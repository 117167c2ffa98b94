"""Back-up and restore over the real NATS and the real store."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from common.contracts.events import OWNER_CREATED, OWNER_ERASED, OutgoingEvent, OwnerCreated
from common.ids import new_id
from common.messaging.connection import connect
from common.messaging.events import EventPublisher
from common.messaging.objects import ObjectBucket
from common.messaging.streams import BUCKETS, EVENTS_STREAM, durable_name
from common.mongo import open_client
from common.running import set_up
from common.testing.servers import mongo_server, nats_server
from nats.aio.client import Client as NatsClient
from operate import backup, documents
from operate.__main__ import main
from operate.errors import DamagedError, OccupiedError
from pymongo import IndexModel

NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
BUCKET = next(iter(BUCKETS))
OBJECT = bytes(range(256)) * 2000


@dataclass
class Place:
    nats: NatsClient
    store: documents.Client

    async def publish(self) -> OutgoingEvent:
        data = OwnerCreated(owner_id=new_id("own"))
        event = OWNER_CREATED.of(data, entity_id=data.owner_id, at=datetime.now(UTC))
        await EventPublisher(self.nats.jetstream()).publish(event)
        return event

    async def file(self, event: OutgoingEvent) -> None:
        """As the relay does once it is published."""
        filed = {"_id": event.id, "subject": event.subject, "body": event.body}
        await self.store["tryskills_keys"]["events"].insert_one(filed | {"at": datetime.now(UTC)})

    async def told(self) -> list[str]:
        """The ids of the events in the stream, in their order."""
        jetstream = self.nats.jetstream()
        reading = await jetstream.subscribe("evt.>", ordered_consumer=True)
        total = (await jetstream.stream_info(EVENTS_STREAM)).state.messages
        messages = [await reading.next_msg(5) for _ in range(total)]
        return [(message.headers or {})["Nats-Msg-Id"] for message in messages]

    async def documents(self) -> dict[str, list[Any]]:
        found = {}
        for database in await documents.database_names(self.store):
            for name in await self.store[database].list_collection_names():
                collection = self.store[database][name]
                found[f"{database}.{name}"] = [
                    *[document async for document in collection.find({}).sort("_id")],
                    *sorted([dict(i) async for i in await collection.list_indexes()], key=str),
                ]
        return found


@asynccontextmanager
async def fresh(folder: Path) -> AsyncIterator[Place]:
    folder.mkdir()
    async with nats_server(folder) as nats_url, mongo_server(folder / "store") as uri:
        nats, store = await connect(nats_url, "operator"), open_client(uri)
        yield Place(nats, store)
        await nats.close()
        await store.close()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """With one of everything."""
    async with fresh(tmp_path / "one") as place:
        await set_up(place.nats.jetstream(), replicas=1)
        await ObjectBucket(place.nats.jetstream(), BUCKET).put("sha256:abc", OBJECT)
        owners = place.store["tryskills_keys"]["owners"]
        await owners.insert_many(
            {"_id": f"own_{number}", "at": NOW, "sealed": bytes([number % 256]), "n": {"x": [1.5]}}
            for number in range(1200)
        )
        await owners.create_indexes([IndexModel([("at", -1), ("_id", 1)], unique=True)])
        await place.store["elsewhere"]["private"].insert_one({"_id": 1})
        yield place


class TestRoundTrip:
    async def test_another_place_has_the_same_documents_indexes_streams_and_consumers(
        self, place: Place, tmp_path: Path
    ) -> None:
        events = [await place.publish() for _ in range(3)]
        await backup.save(place.nats, place.store, tmp_path / "kept", print)

        async with fresh(tmp_path / "two") as other:
            await backup.load(other.nats, other.store, tmp_path / "kept", print, replace=False)

            assert await other.documents() == await place.documents()
            assert await other.told() == [event.id for event in events]
            consumer = durable_name("chat-proxy", OWNER_ERASED.type)
            info = await other.nats.jetstream().consumer_info(EVENTS_STREAM, consumer)
            assert info.config.filter_subject == OWNER_ERASED.subject
            bundle = await ObjectBucket(other.nats.jetstream(), BUCKET).get("sha256:abc")
            assert bundle == OBJECT
            assert "elsewhere" not in await other.store.list_database_names()

    async def test_what_was_told_after_the_snapshot_is_told_again_once(
        self, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = await place.publish()
        await place.file(before)
        save = documents.save

        async def meanwhile(*arguments: Any) -> dict[str, int]:
            await place.file(await place.publish())
            return await save(*arguments)

        monkeypatch.setattr("operate.documents.save", meanwhile)
        await backup.save(place.nats, place.store, tmp_path / "kept", print)

        await backup.load(place.nats, place.store, tmp_path / "kept", print, replace=True)

        archived = [e["_id"] async for e in place.store["tryskills_keys"]["events"].find({})]
        assert sorted(await place.told()) == sorted(archived)
        assert len(archived) == 2


class TestRefusals:
    async def test_what_is_there_is_not_overwritten_unasked(
        self, place: Place, tmp_path: Path
    ) -> None:
        await backup.save(place.nats, place.store, tmp_path / "kept", print)
        was = await place.documents()

        with pytest.raises(OccupiedError, match="--replace"):
            await backup.load(place.nats, place.store, tmp_path / "kept", print, replace=False)

        assert await place.documents() == was

    async def test_a_changed_file_is_noticed_before_anything_is_deleted(
        self, place: Place, tmp_path: Path
    ) -> None:
        kept = tmp_path / "kept"
        await backup.save(place.nats, place.store, kept, print)
        file = kept / "mongodb/tryskills_keys/owners.bson"
        file.write_bytes(file.read_bytes()[:-1] + b"x")
        was = await place.documents()

        with pytest.raises(DamagedError, match=r"owners\.bson"):
            await backup.load(place.nats, place.store, kept, print, replace=True)

        assert await place.documents() == was
        assert main(["verify", str(kept)]) == 1

    async def test_a_back_up_that_was_not_finished_is_none(
        self, place: Place, tmp_path: Path
    ) -> None:
        await backup.save(place.nats, place.store, tmp_path / "kept", print)
        assert main(["verify", str(tmp_path / "kept")]) == 0

        (tmp_path / "kept" / backup.MANIFEST).unlink()

        assert main(["verify", str(tmp_path / "kept")]) == 1

    async def test_a_folder_in_use_is_left_alone(self, place: Place, tmp_path: Path) -> None:
        (tmp_path / "kept").mkdir()
        (tmp_path / "kept/notes.txt").write_text("mine")

        with pytest.raises(OccupiedError):
            await backup.save(place.nats, place.store, tmp_path / "kept", print)


class TestAge:
    async def test_old_events_of_the_archive_are_left_to_the_stream(
        self, place: Place, tmp_path: Path
    ) -> None:
        event = await place.publish()
        await place.file(event)
        old = datetime.now(UTC) - timedelta(days=2)
        archive = place.store["tryskills_keys"]["events"]
        await archive.insert_one({"_id": "evt_old", "subject": "evt.x", "body": {}, "at": old})
        await backup.save(place.nats, place.store, tmp_path / "kept", print)

        await backup.load(place.nats, place.store, tmp_path / "kept", print, replace=True)

        assert await place.told() == [event.id]
