"""Each service's user on a real nats-server with the permissions that every deployment has."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import nats
import pytest
from common.contracts import keys
from common.contracts.access import (
    BUCKETS,
    CALLERS,
    CONSUMERS,
    JOURNALS,
    LISTENERS,
    READERS,
    RESUMERS,
    STEWARD,
    USERS,
)
from common.contracts.base import Erased
from common.contracts.events import EVENTS, OWNER_ERASED, OwnerErased
from common.errors import AppError
from common.ids import new_id
from common.messaging.connection import connect, inbox_prefix
from common.messaging.events import EventPublisher, consume
from common.messaging.journal import Journal
from common.messaging.objects import ObjectBucket
from common.messaging.permissions import grants, password_variable, users_config
from common.messaging.rpc import RpcClient, RpcServer
from common.messaging.streams import durable_name, wait_for_streams
from common.messaging.wire import Wire, open_wire
from common.running import set_up
from common.testing.servers import nats_server
from nats.aio.client import Client
from nats.errors import TimeoutError as NatsTimeoutError

EVERYBODY = (*USERS, *READERS)
OWNER = "own_" + "a" * 20
STREAMS = ("EVENTS", "JOURNAL", *(f"OBJ_{bucket}" for bucket in BUCKETS), "ANOTHER")
VERBS = ("CREATE", "UPDATE", "DELETE", "PURGE", "RESTORE", "SNAPSHOT", "MSG.DELETE")
FOREIGN = (">", "rpc.>", "evt.>", "journal.>", "$JS.>", "$O.>", "_INBOX.>", "*.>", "$SYS.>")


@dataclass
class User:
    """A connection that remembers what the server refused it."""

    name: str
    connection: Client
    refused: list[str] = field(default_factory=list)

    async def publishes(self, subjects: Iterable[str]) -> set[str]:
        """Those of `subjects` that it may publish."""
        return await self._allowed(subjects, lambda s: self.connection.publish(s, b"{}"))

    async def subscribes(self, subjects: Iterable[str]) -> set[str]:
        return await self._allowed(subjects, self.connection.subscribe)

    async def _allowed(
        self, subjects: Iterable[str], ask: Callable[[str], Awaitable[object]]
    ) -> set[str]:
        # The client tells a refusal in small letters.
        asked = {subject.lower(): subject for subject in subjects}
        self.refused.clear()
        for subject in asked.values():
            await ask(subject)
        # A refusal comes before the answer to a flush, and is told by a task of its own.
        for _ in range(3):
            await self.connection.flush(timeout=5)
        refused = {error.split('"')[1] for error in self.refused}
        assert refused <= set(asked)
        return {subject for told, subject in asked.items() if told not in refused}


Login = Callable[[str], Awaitable[User]]


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A server with every stream and consumer, made by the one that may; yields its address."""
    folder = tmp_path_factory.mktemp("nats")
    passwords = {password_variable(user): f"p-{user}" for user in grants()}
    async with nats_server(folder, config=users_config(), environment=passwords) as url:
        steward = await connect(_url(url, STEWARD), STEWARD)
        await set_up(steward.jetstream(), replicas=1)
        await steward.close()
        yield url


@pytest.fixture
async def login(server: str) -> AsyncIterator[Login]:
    async with _logins(server) as login:
        yield login


@pytest.fixture
async def wires(server: str) -> AsyncIterator[dict[str, Wire]]:
    async with contextlib.AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(open_wire(_url(server, name), name))
            for name in ("chat-proxy", "gateway")
        }


@asynccontextmanager
async def _logins(server: str) -> AsyncIterator[Login]:
    async with contextlib.AsyncExitStack() as stack:

        async def login(name: str) -> User:
            user = User(name, Client())

            async def on_error(error: Exception) -> None:
                if "permissions violation" in str(error):
                    user.refused.append(str(error))

            user.connection = await nats.connect(
                _url(server, name), inbox_prefix=inbox_prefix(name).encode(), error_cb=on_error
            )
            stack.push_async_callback(user.connection.close)
            return user

        yield login


def _url(url: str, user: str) -> str:
    return url.replace("nats://", f"nats://{user}:p-{user}@")


@pytest.mark.parametrize("name", EVERYBODY)
class TestEveryUser:
    """For each user, all that is not its own is refused."""

    async def test_it_calls_only_what_it_may_call(self, login: Login, name: str) -> None:
        user = await login(name)

        may = await user.publishes(rpc.subject for rpc in CALLERS)

        # A service reaches another process of its own by that process' subject.
        assert may == {
            rpc.subject for rpc, who in CALLERS.items() if name in who and rpc.service != name
        }

    async def test_it_serves_only_its_own(self, login: Login, name: str) -> None:
        user = await login(name)

        may = await user.subscribes(rpc.subject for rpc in CALLERS)

        assert may == {rpc.subject for rpc in CALLERS if rpc.service == name}

    async def test_it_reads_no_replies_but_its_own(self, login: Login, name: str) -> None:
        user = await login(name)
        inboxes = {f"{inbox_prefix(other)}.x.y" for other in (*EVERYBODY, "operator")}

        assert await user.subscribes(inboxes) == {f"{inbox_prefix(name)}.x.y"}
        assert await user.publishes(inboxes) == set()

    async def test_it_tells_and_hears_only_its_own_events(self, login: Login, name: str) -> None:
        user = await login(name)
        events = {event.subject for event in EVENTS}

        tells, hears = await user.publishes(events), await user.subscribes(events)

        assert tells == {event.subject for event in EVENTS if event.service == name}
        listening = {event.subject for event, users in LISTENERS.items() if name in users}
        assert hears == (events if name in READERS else listening)

    async def test_it_writes_and_follows_only_its_own_journals(
        self, login: Login, name: str
    ) -> None:
        user = await login(name)

        writes = await user.publishes(subject.replace("*", "x_1") for subject in JOURNALS)
        reads = await user.subscribes(JOURNALS)

        writing = {s for s, shared in JOURNALS.items() if name in shared.writers}
        assert writes == {subject.replace("*", "x_1") for subject in writing}
        assert reads == {s for s, shared in JOURNALS.items() if name in shared.readers}

    async def test_it_writes_and_reads_only_its_own_buckets(self, login: Login, name: str) -> None:
        user = await login(name)

        writes = await user.publishes(f"$O.{bucket}.M.x" for bucket in BUCKETS)
        reads = await user.publishes(f"$JS.API.STREAM.MSG.GET.OBJ_{bucket}" for bucket in BUCKETS)

        assert writes == {f"$O.{b}.M.x" for b, shared in BUCKETS.items() if name in shared.writers}
        assert reads == {
            f"$JS.API.STREAM.MSG.GET.OBJ_{b}"
            for b, shared in BUCKETS.items()
            if name in (*shared.writers, *shared.readers)
        }

    async def test_it_does_not_listen_to_everything(self, login: Login, name: str) -> None:
        user = await login(name)

        assert await user.subscribes(FOREIGN) == ({"evt.>"} if name in READERS else set())

    async def test_it_makes_no_stream_unless_it_is_the_steward(
        self, login: Login, name: str
    ) -> None:
        user = await login(name)
        asked = {f"$JS.API.STREAM.{verb}.{stream}" for verb in VERBS for stream in STREAMS}

        may = await user.publishes(asked)

        made = [f"$JS.API.STREAM.{v}.{s}" for v in ("CREATE", "UPDATE") for s in STREAMS[:-1]]
        emptied = [b for b, shared in BUCKETS.items() if name in shared.writers]
        assert may == {
            *(made if name == STEWARD else []),
            *(f"$JS.API.STREAM.PURGE.OBJ_{bucket}" for bucket in emptied),
            *("$JS.API.STREAM.PURGE.JOURNAL" for users in RESUMERS.values() if name in users),
        }

    async def test_it_takes_no_events_from_anothers_consumer(
        self, login: Login, name: str
    ) -> None:
        user = await login(name)
        pulls = {
            f"$JS.API.CONSUMER.MSG.NEXT.EVENTS.{durable_name(other, event.type)}": other
            for event, users in CONSUMERS.items()
            for other in users
        }

        may = await user.publishes(pulls)

        assert {pulls[subject] for subject in may} == {n for n in pulls.values() if n == name}


class TestSecrets:
    """What must never become possible, written out, whatever the table says."""

    @pytest.mark.parametrize(
        "name", ["gateway", "chat-proxy", "skill-resolver", "keys", "events-reader"]
    )
    async def test_reveal_is_refused(self, login: Login, name: str) -> None:
        user = await login(name)

        assert await user.publishes(["rpc.keys.reveal.v1"]) == set()

    @pytest.mark.parametrize("name", ["gateway", "chat-proxy", "skill-resolver", "events-reader"])
    async def test_replies_to_others_are_not_read(self, login: Login, name: str) -> None:
        user = await login(name)

        assert await user.subscribes(["_INBOX_sandbox-manager.>", "_INBOX_relay.>"]) == set()

    async def test_the_gateway_gets_no_value_however_it_asks(self, login: Login) -> None:
        gateway, server_of_keys = await login("gateway"), await login("keys")
        asked: list[keys.Reveal] = []

        async def reveal(request: keys.Reveal) -> keys.Revealed:
            asked.append(request)
            raise AssertionError

        async with RpcServer(server_of_keys.connection, service="keys") as rpc:
            await rpc.serve(keys.REVEAL, reveal)
            request = keys.Reveal(owner_id=OWNER, name="OPENAI_API_KEY", purpose="relay")
            with pytest.raises((AppError, NatsTimeoutError)):
                await RpcClient(gateway.connection).call(
                    keys.REVEAL, request, within=timedelta(seconds=0.5)
                )

        assert not asked
        assert gateway.refused

    async def test_what_a_stream_delivers_is_not_a_request(self, login: Login) -> None:
        """chat-proxy may write a journal and make a consumer of it, whose messages the server
        delivers wherever it is told to.
        """
        chat, server_of_keys = await login("chat-proxy"), await login("keys")
        asked: list[keys.EraseOwner] = []

        async def erase(request: keys.EraseOwner) -> Erased:
            asked.append(request)
            return Erased(counts={})

        async with RpcServer(server_of_keys.connection, service="keys") as rpc:
            await rpc.serve(keys.ERASE_OWNER, erase)
            subject = f"journal.session.{new_id('ses')}"
            await chat.connection.publish(subject, b'{"owner_id": "%b"}' % OWNER.encode())
            await chat.connection.jetstream().add_consumer(
                "JOURNAL",
                name=new_id("c"),
                filter_subject=subject,
                deliver_subject=keys.ERASE_OWNER.subject,
                ack_policy="none",
            )
            await asyncio.sleep(0.5)

        assert not asked


class TestEnough:
    """What each may do is enough for what it does."""

    async def test_a_call_is_answered(self, login: Login) -> None:
        gateway, server_of_keys = await login("gateway"), await login("keys")

        async def resolve(request: keys.ResolveOwner) -> keys.Owner:
            return keys.Owner.model_validate(
                {"owner_id": OWNER, "created_at": "2026-01-01T00:00Z"}
            )

        async with RpcServer(server_of_keys.connection, service="keys") as rpc:
            await rpc.serve(keys.RESOLVE_OWNER, resolve)
            await server_of_keys.connection.flush()
            client = RpcClient(gateway.connection)
            await client.ping("keys")
            owner = await client.call(
                keys.RESOLVE_OWNER, keys.ResolveOwner(issuer="i", subject="s")
            )

        assert owner.owner_id == OWNER
        assert not gateway.refused
        assert not server_of_keys.refused

    async def test_an_event_reaches_its_consumer_and_other_teams(self, login: Login) -> None:
        teller, reader = await login("keys"), await login(READERS[0])
        handlers = [await login(user) for user in CONSUMERS[OWNER_ERASED]]
        live = await reader.connection.subscribe("evt.>")
        handled: asyncio.Queue[OwnerErased] = asyncio.Queue()
        tasks = [
            asyncio.ensure_future(
                consume(user.connection.jetstream(), OWNER_ERASED, handled.put, durable=user.name)
            )
            for user in handlers
        ]
        data = OwnerErased(owner_id=OWNER)

        await wait_for_streams(handlers[0].connection.jetstream())
        await EventPublisher(teller.connection.jetstream()).publish(
            OWNER_ERASED.of(data, entity_id=OWNER, at=datetime.now(UTC))
        )
        got = [await asyncio.wait_for(handled.get(), 10) for _ in tasks]
        kept = await reader.connection.jetstream().pull_subscribe(
            "evt.>", durable=READERS[0], stream="EVENTS"
        )
        read = await kept.fetch(1, timeout=5)
        await read[0].ack()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        assert got == [data] * len(handlers)
        assert (await live.next_msg(timeout=5)).subject == OWNER_ERASED.subject
        assert not [user.name for user in (teller, reader, *handlers) if user.refused]

    async def test_a_journal_is_written_followed_and_read_back(
        self, login: Login, wires: dict[str, Wire]
    ) -> None:
        chat, gateway = await login("chat-proxy"), await login("gateway")
        subject, seen = f"journal.session.{new_id('ses')}", asyncio.Queue[bytes]()
        journal = Journal(wires["chat-proxy"], chat.connection.jetstream())
        viewer = Journal(wires["gateway"], gateway.connection.jetstream())

        await viewer.follow(subject, seen.put_nowait)
        journal.append(subject, [b"1", b"2"])
        assert await asyncio.wait_for(seen.get(), 5) == b"1\n2"
        async with asyncio.timeout(5):
            while await journal.last(subject) != [b"1", b"2"]:
                await asyncio.sleep(0.02)

        assert [line async for line in journal.captured(subject)] == [b"1", b"2"]
        await journal.forget(subject)
        assert await journal.last(subject) == []
        assert not chat.refused
        assert not gateway.refused

    @pytest.mark.parametrize("bucket", BUCKETS)
    async def test_an_object_is_put_read_and_deleted(self, login: Login, bucket: str) -> None:
        content, name = os.urandom(300_000), new_id("obj")
        writers = [await login(user) for user in BUCKETS[bucket].writers]
        readers = [await login(user) for user in BUCKETS[bucket].readers]

        for writer in writers:
            objects = ObjectBucket(writer.connection.jetstream(), bucket)
            await objects.put(name, content)
            assert name in await objects.names_before(datetime.now(UTC) + timedelta(hours=1))
            for reader in readers:
                seen = await ObjectBucket(reader.connection.jetstream(), bucket).get(name)
                assert seen == content
            await objects.delete(name)
            assert not await objects.has(name)

        assert not [user.name for user in (*writers, *readers) if user.refused]

    @pytest.mark.parametrize("login", [b"{}", b'{"user": "keys", "pass": "wrong"}'])
    async def test_a_stranger_is_not_let_in(self, server: str, login: bytes) -> None:
        address = urlsplit(server)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)

        writer.write(b"CONNECT " + login + b"\r\nPING\r\n")
        said = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        await writer.wait_closed()

        assert b"Authorization Violation" in said
        assert b"PONG" not in said
