"""Events told again from the archive, over the real NATS and the real store."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from common.contracts.events import (
    CONTENT_TYPE,
    LAUNCH_ENDED,
    OWNER_CREATED,
    STREAM,
    LaunchChanged,
    OutgoingEvent,
    OwnerCreated,
)
from common.ids import new_id
from common.messaging.connection import connect
from common.messaging.streams import ensure_streams
from common.mongo import open_client
from common.testing.servers import mongo_server, nats_server
from nats.aio.client import Client as NatsClient
from operate import documents, events
from operate.__main__ import main

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Place:
    def __init__(self, nats: NatsClient, store: documents.Client) -> None:
        self.nats = nats
        self.store = store

    async def archive(self, service: str, event: OutgoingEvent, minutes: int) -> str:
        """As the relay files it, so many minutes after noon."""
        filed = {"_id": event.id, "subject": event.subject, "body": event.body}
        at = NOON + timedelta(minutes=minutes)
        await self.store[f"tryskills_{service}"]["events"].insert_one(filed | {"at": at})
        return event.id

    async def told(self) -> list[str]:
        jetstream = self.nats.jetstream()
        total = (await jetstream.stream_info(STREAM)).state.messages
        reading = await jetstream.subscribe("evt.>", ordered_consumer=True)
        messages = [await reading.next_msg(5) for _ in range(total)]
        for message in messages:
            headers = message.headers or {}
            assert headers["Nats-Msg-Id"] == json.loads(message.data)["id"]
            assert headers["content-type"] == CONTENT_TYPE
        return [json.loads(message.data)["id"] for message in messages]


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    async with nats_server(tmp_path) as nats_url, mongo_server(tmp_path / "store") as uri:
        monkeypatch.setenv("NATS_URL", nats_url)
        monkeypatch.setenv("MONGODB_URI", uri)
        nats, store = await connect(nats_url, "operator"), open_client(uri)
        await ensure_streams(nats.jetstream())
        yield Place(nats, store)
        await nats.close()
        await store.close()


def created(minutes: int) -> OutgoingEvent:
    data = OwnerCreated(owner_id=new_id("own"))
    return OWNER_CREATED.of(data, entity_id=data.owner_id, at=NOON + timedelta(minutes=minutes))


def ended(minutes: float) -> OutgoingEvent:
    data = LaunchChanged(
        owner_id=new_id("own"),
        launch_id=new_id("lau"),
        state="ready",
        skill="a/b/c",
        commit="0" * 40,
        digest="sha256:" + "0" * 64,
    )
    return LAUNCH_ENDED.of(data, entity_id="x", at=NOON + timedelta(minutes=minutes))


class TestRepublish:
    async def test_from_any_time_in_the_order_they_were_told(self, place: Place) -> None:
        await place.archive("keys", created(-5), -5)
        late = await place.archive("sandbox_manager", ended(2), 3)
        first = await place.archive("keys", created(1), 1)
        second = await place.archive("sandbox_manager", ended(1.5), 2)
        third = await place.archive("keys", created(2), 2)

        told = await events.republish(place.nats, place.store, events.Wanted(NOON))

        assert await place.told() == [first, second, third, late]
        assert told.again == {"owner.created.v1": 2, "launch.ended.v1": 2}

    async def test_only_what_is_wanted(self, place: Place) -> None:
        for minutes in (1, 2, 3):
            await place.archive("keys", created(minutes), minutes)
        wanted = await place.archive("sandbox_manager", ended(1), 1)
        await place.archive("sandbox_manager", ended(3), 3)
        until = NOON + timedelta(minutes=2)

        await events.republish(
            place.nats, place.store, events.Wanted(NOON, until, ("launch.ended.v1",))
        )

        assert await place.told() == [wanted]

    async def test_what_the_stream_still_has_in_mind_is_not_stored_twice(
        self, place: Place
    ) -> None:
        event = await place.archive("keys", created(1), 1)
        await events.republish(place.nats, place.store, events.Wanted(NOON))

        told = await events.republish(place.nats, place.store, events.Wanted(NOON))

        assert (told.again, told.still_there) == ({}, 1)
        assert await place.told() == [event]


class TestCommand:
    async def test_a_dry_run_counts_and_tells_nobody(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        await place.archive("keys", created(1), 1)

        status = await run("republish", "--since", NOON.isoformat(), "--dry-run")

        assert status == 0
        assert "1 events would be told again" in capsys.readouterr().out
        assert await place.told() == []

    async def test_the_command_tells_them(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        event = await place.archive("keys", created(1), 1)

        assert await run("republish", "--since", NOON.isoformat()) == 0

        assert "1 owner.created.v1\n1 events told again" in capsys.readouterr().out
        assert await place.told() == [event]

    async def test_printed_they_are_what_the_contract_kit_reads(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        await place.archive("keys", created(1), 1)

        assert await run("events", "--since", NOON.isoformat()) == 0

        (line,) = capsys.readouterr().out.splitlines()
        assert json.loads(line)["type"] == "owner.created.v1"

    async def test_what_is_missing_is_said_and_status_1(
        self, place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.delenv("MONGODB_URI")

        assert await run("republish", "--since", NOON.isoformat()) == 1
        assert capsys.readouterr().err == "operate: MONGODB_URI: Field required\n"


async def run(*words: str) -> int:
    """`main` has a loop of its own."""
    return await asyncio.to_thread(main, list(words))
