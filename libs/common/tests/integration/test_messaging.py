"""Events, the journal and objects on the real nats-server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from common.contracts.events import (
    OWNER_CREATED,
    OWNER_ERASED,
    SESSION_CREATED,
    OwnerCreated,
    OwnerErased,
    SessionChanged,
)
from common.contracts.sandbox import TRANSFER_BUCKET
from common.contracts.skills import BUNDLE_BUCKET
from common.ids import new_id
from common.messaging.events import EventPublisher, consume, ensure_consumer, hear
from common.messaging.journal import Journal
from common.messaging.objects import ObjectBucket, TransferBucket
from common.messaging.streams import ensure_streams
from common.messaging.wire import open_wire
from nats.aio.client import Client

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def journal(nats_connection: Client, nats_url: str) -> AsyncIterator[Journal]:
    async with open_wire(nats_url, "test") as wire:
        yield Journal(wire, nats_connection.jetstream())


class TestConsume:
    async def test_a_failed_handler_gets_the_event_again(self, nats_connection: Client) -> None:
        jetstream = nats_connection.jetstream()
        seen: list[OwnerCreated] = []
        handled = asyncio.Event()

        async def handler(data: OwnerCreated) -> None:
            seen.append(data)
            if len(seen) == 1:
                raise ConnectionError("not now")
            handled.set()

        durable = new_id("test")
        task = asyncio.ensure_future(consume(jetstream, OWNER_CREATED, handler, durable=durable))
        await ensure_consumer(jetstream, OWNER_CREATED, durable=durable)
        data = OwnerCreated(owner_id=new_id("own"))
        await EventPublisher(jetstream).publish(
            OWNER_CREATED.of(data, entity_id=data.owner_id, at=AT)
        )
        await asyncio.wait_for(handled.wait(), 10)
        await _cancel(task)

        assert seen == [data, data]

    async def test_a_malformed_event_is_not_delivered_again(self, nats_connection: Client) -> None:
        jetstream = nats_connection.jetstream()
        handled = asyncio.Event()

        async def handler(data: SessionChanged) -> None:
            handled.set()

        durable = new_id("test")
        task = asyncio.ensure_future(consume(jetstream, SESSION_CREATED, handler, durable=durable))
        await ensure_consumer(jetstream, SESSION_CREATED, durable=durable)
        name = f"{durable}-session_created_v1"
        await jetstream.publish(SESSION_CREATED.subject, b"not json")
        data = SessionChanged(
            owner_id=new_id("own"), session_id="s", skill="a/b/c", digest="sha256:0"
        )
        await EventPublisher(jetstream).publish(SESSION_CREATED.of(data, entity_id="s", at=AT))
        await asyncio.wait_for(handled.wait(), 10)
        await _cancel(task)

        info = await jetstream.consumer_info("EVENTS", name)
        assert info.num_redelivered == 0


class TestHear:
    async def test_every_listener_gets_the_event_and_survives_nonsense(
        self, nats_connection: Client
    ) -> None:
        jetstream = nats_connection.jetstream()
        heard: asyncio.Queue[OwnerErased] = asyncio.Queue()
        for _ in range(2):
            await hear(nats_connection, OWNER_ERASED, heard.put)
        data = OwnerErased(owner_id=new_id("own"))

        await jetstream.publish(OWNER_ERASED.subject, b"not json")
        await EventPublisher(jetstream).publish(
            OWNER_ERASED.of(data, entity_id=data.owner_id, at=AT)
        )

        async with asyncio.timeout(5):
            assert [await heard.get(), await heard.get()] == [data, data]


class TestJournal:
    async def test_a_follower_gets_every_entry_in_order(self, journal: Journal) -> None:
        subject, seen, done = f"journal.session.{new_id('ses')}", [], asyncio.Event()

        def on_body(body: bytes) -> None:
            seen.extend(body.split(b"\n"))
            if len(seen) == 4:
                done.set()

        await journal.follow(subject, on_body)
        journal.append(subject, [b"1", b"2"])
        journal.append(subject, [b"3"])
        journal.append(subject, [b"4"])
        await asyncio.wait_for(done.wait(), 5)

        assert seen == [b"1", b"2", b"3", b"4"]

    async def test_the_stream_keeps_what_nobody_followed(self, journal: Journal) -> None:
        subject = f"journal.session.{new_id('ses')}"
        for number in range(1, 1201):
            journal.append(subject, [b"%d" % number])
        await journal.flush()
        await _captured(journal, subject, b"1200")

        captured = [line async for line in journal.captured(subject)]

        assert captured == [b"%d" % number for number in range(1, 1201)]

    async def test_nothing_captured_is_nothing(self, journal: Journal) -> None:
        subject = f"journal.session.{new_id('ses')}"

        assert await journal.last(subject) == []
        assert [line async for line in journal.captured(subject)] == []


class TestObjects:
    async def test_an_object_comes_back_as_it_was_put(self, nats_connection: Client) -> None:
        bucket = ObjectBucket(nats_connection.jetstream(), BUNDLE_BUCKET)
        content = bytes(range(256)) * 1000

        await bucket.put("a", content)

        assert await bucket.has("a")
        assert await bucket.get("a") == content

    async def test_what_is_not_there_is_none(self, nats_connection: Client) -> None:
        bucket = ObjectBucket(nats_connection.jetstream(), BUNDLE_BUCKET)
        await bucket.put("gone", b"x")
        await bucket.delete("gone")
        await bucket.delete("gone")

        assert not await bucket.has("gone")
        assert await bucket.get("gone") is None

    async def test_what_is_old_is_listed(self, nats_connection: Client) -> None:
        bucket = ObjectBucket(nats_connection.jetstream(), TRANSFER_BUCKET)
        assert await bucket.names_before(datetime.now(UTC)) == []
        for name in ("a", "b", "gone"):
            await bucket.put(name, b"x")
        await bucket.delete("gone")

        assert await bucket.names_before(datetime.now(UTC) - timedelta(hours=1)) == []
        assert sorted(await bucket.names_before(datetime.now(UTC))) == ["a", "b"]


class TestStreams:
    async def test_ensuring_twice_changes_nothing(self, nats_connection: Client) -> None:
        jetstream = nats_connection.jetstream()
        before = await jetstream.stream_info("JOURNAL")

        await ensure_streams(jetstream)

        assert (await jetstream.stream_info("JOURNAL")).config == before.config


async def _captured(journal: Journal, subject: str, last: bytes) -> None:
    async with asyncio.timeout(10):
        while await journal.last(subject) != [last]:
            await asyncio.sleep(0.02)


async def _cancel(task: asyncio.Future[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


class TestTransfer:
    async def test_a_body_is_taken_once(self, nats_connection: Client) -> None:
        sender, taker = (TransferBucket(nats_connection.jetstream()) for _ in range(2))
        content = b"x" * 3_000_000

        name = await sender.put(content)

        assert await taker.take(name) == content
        assert await taker.take(name) is None
