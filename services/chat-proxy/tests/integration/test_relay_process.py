"""The relay as a process, on the real bus and store, with stand-ins for the services it asks."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from common import mongo
from common.clock import utc_now
from common.contracts.events import (
    SECRET_PUT,
    OutgoingEvent,
    SecretChanged,
)
from common.contracts.keys import (
    GET_SETTINGS,
    REVEAL,
    GetSettings,
    OwnerSettings,
    Reveal,
    Revealed,
)
from common.contracts.sandbox import AUTHORIZE_RELAY, AuthorizeRelay, RelayGrant
from common.errors import ErrorCode, NotFoundError
from common.ids import new_id
from common.messaging.events import EventPublisher
from common.messaging.rpc import RpcServer
from common.mongo import Collection
from common.testing.servers import free_port
from nats.aio.client import Client
from pydantic import SecretStr

OWNER, SANDBOX = new_id("own"), new_id("sbx")
TOKEN, KEY = "relay-token-MARKED-0123456789", "sk-MARKED-real-0123456789"
PROGRAM = ("-m", "chat_proxy", "relay")
CHUNKS = (
    b'data: {"n":1}\n\n',
    b'data: {"choices":[],"usage":{"prompt_tokens":70,"completion_tokens":5}}\n\ndata: [DONE]\n\n',
)


@dataclass
class Provider:
    """Sends its last words when told to."""

    keys: list[str] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.keys.append(request.headers.get("Authorization", ""))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(CHUNKS[0])
        await self.go_on.wait()
        await response.write(CHUNKS[1])
        return response


@dataclass
class Others:
    """sandbox-manager and keys, as far as the relay asks them."""

    provider_url: str
    is_deleted: bool = False
    key: str = KEY
    reveals: int = 0

    async def authorize(self, request: AuthorizeRelay) -> RelayGrant:
        if self.is_deleted:
            raise NotFoundError("no such token", code=ErrorCode.SANDBOX_NOT_FOUND)
        return RelayGrant(owner_id=OWNER, sandbox_id=SANDBOX)

    async def settings(self, request: GetSettings) -> OwnerSettings:
        return OwnerSettings(provider="custom", model="m", base_url=self.provider_url)

    async def reveal(self, request: Reveal) -> Revealed:
        self.reveals += 1
        return Revealed(value=SecretStr(self.key), version=1)


@dataclass
class Running:
    url: str
    process: asyncio.subprocess.Process
    provider: Provider
    others: Others
    usage: Collection
    publisher: EventPublisher
    session: aiohttp.ClientSession

    def post(self) -> "aiohttp.client._RequestContextManager":
        return self.session.post(
            f"{self.url}/llm/v1/chat/completions",
            data=b'{"model":"x","stream":true}',
            headers={"Authorization": f"Bearer {TOKEN}"},
        )

    async def output(self) -> str:
        """Everything it logged, once it has ended."""
        assert self.process.stdout is not None
        return (await self.process.stdout.read()).decode()


@pytest.fixture
async def running(
    nats_connection: Client, nats_url: str, mongodb_uri: str
) -> AsyncIterator[Running]:
    async with contextlib.AsyncExitStack() as stack:
        provider = Provider()
        others = Others(await listen(stack, provider))
        server = await stack.enter_async_context(RpcServer(nats_connection, service="others"))
        await server.serve(AUTHORIZE_RELAY, others.authorize)
        await server.serve(GET_SETTINGS, others.settings)
        await server.serve(REVEAL, others.reveal)
        client = mongo.open_client(mongodb_uri)
        stack.push_async_callback(client.close)
        usage = mongo.database_of(client, "chat-proxy")["usage"]
        await usage.delete_many({})
        port = free_port()
        process = await start(nats_url, mongodb_uri, port)
        stack.push_async_callback(stop, process)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        url = f"http://127.0.0.1:{port}"
        async with asyncio.timeout(30):
            await ready(session, url)
        publisher = EventPublisher(nats_connection.jetstream())
        yield Running(url, process, provider, others, usage, publisher, session)


async def listen(stack: contextlib.AsyncExitStack, provider: Provider) -> str:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", provider.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}/v1"


async def start(nats_url: str, mongodb_uri: str, port: int) -> asyncio.subprocess.Process:
    environment = {
        **os.environ,
        "NATS_URL": nats_url,
        "MONGODB_URI": mongodb_uri,
        "DEPLOYMENT_ID": "test",
        "RELAY_PORT": str(port),
        "RELAY_ALLOW_PRIVATE": "true",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *PROGRAM,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def ready(session: aiohttp.ClientSession, url: str) -> None:
    while True:
        with contextlib.suppress(aiohttp.ClientError):
            async with session.get(f"{url}/readyz") as answer:
                if answer.status == 200:
                    return
        await asyncio.sleep(0.05)


async def soon(running: Running, status: int) -> int:
    """The status of calls until it is that one; an event takes a moment to be heard."""
    async with asyncio.timeout(4):
        while True:
            async with running.post() as answer:
                await answer.read()
                if answer.status == status:
                    return answer.status


def secret_put() -> OutgoingEvent:
    data = SecretChanged(owner_id=OWNER, name="CUSTOM_API_KEY", version=2)
    return SECRET_PUT.of(data, entity_id=data.name, at=utc_now())


class TestProcess:
    async def test_an_answer_passes_and_its_tokens_are_counted(self, running: Running) -> None:
        running.provider.go_on.set()

        for _ in range(3):
            async with running.post() as answer:
                assert await answer.read() == b"".join(CHUNKS)

        assert running.provider.keys == [f"Bearer {KEY}"] * 3
        assert running.others.reveals == 1
        document = await counted(running.usage, calls=3)
        assert (document["owner_id"], document["model"]) == (OWNER, "m")
        assert (document["input_tokens"], document["output_tokens"]) == (210, 15)
        assert document["total_tokens"] == 225

    async def test_a_deleted_sandboxs_token_is_refused_at_once(self, running: Running) -> None:
        running.provider.go_on.set()
        assert await soon(running, 200) == 200
        running.others.is_deleted = True

        async with running.post() as answer:
            assert answer.status == 401

    async def test_a_new_key_is_used_when_the_event_is_heard(self, running: Running) -> None:
        running.provider.go_on.set()
        assert await soon(running, 200) == 200
        running.others.key = "sk-new"

        await running.publisher.publish(secret_put())

        async with asyncio.timeout(10):
            while running.provider.keys[-1] != "Bearer sk-new":
                await soon(running, 200)
        assert running.others.reveals == 2

    async def test_at_the_end_answers_under_way_are_finished(self, running: Running) -> None:
        async with running.post() as answer:
            assert await answer.content.readany() == CHUNKS[0]
            running.process.send_signal(signal.SIGTERM)
            await no_longer_accepting(running)
            running.provider.go_on.set()

            assert await answer.read() == CHUNKS[1]

        assert await asyncio.wait_for(running.process.wait(), 15) == 0
        assert (await counted(running.usage, calls=1))["total_tokens"] == 75

    async def test_its_log_holds_no_key_and_no_token(self, running: Running) -> None:
        running.provider.go_on.set()
        await soon(running, 200)
        running.process.send_signal(signal.SIGTERM)

        log = await running.output()

        messages = [json.loads(line)["message"] for line in log.splitlines()]
        assert {"relayed", "stopping"} <= set(messages)
        assert "MARKED" not in log


async def counted(usage: Collection, *, calls: int) -> mongo.Document:
    """The owner's document; it is written after the answer has gone out."""
    async with asyncio.timeout(10):
        while True:
            document = await usage.find_one({"owner_id": OWNER, "calls": calls})
            if document is not None:
                return document
            await asyncio.sleep(0.02)


async def no_longer_accepting(running: Running) -> None:
    async with asyncio.timeout(10), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"{running.url}/healthz"):
                    await asyncio.sleep(0.02)
            except aiohttp.ClientConnectorError:
                return
