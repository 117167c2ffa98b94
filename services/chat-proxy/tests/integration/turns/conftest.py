"""Chat-proxy processes, in this process or of their own, and a caller of theirs."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from chat_proxy.adapters.hermes.agents import HermesAgents
from chat_proxy.adapters.mongo import collections
from chat_proxy.main import outside_of, serve
from chat_proxy.reconcilers import TakeoverReconciler
from chat_proxy.service.outside import Outside
from chat_proxy.service.runners import Runners
from chat_proxy.service.takeover import Takeover
from chat_proxy.settings import Settings
from common import mongo
from common.clock import utc_now
from common.contracts import chat
from common.errors import NotFoundError, UnavailableError
from common.messaging.connection import connect
from common.messaging.journal import Journal
from common.messaging.rpc import RpcClient, RpcServer
from common.messaging.streams import ensure_streams
from common.messaging.wire import open_wire
from common.preview import PreviewGuard, open_agent_http
from common.running import Backbone
from common.testing.servers import free_port
from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic import TypeAdapter

OWNER = "own_" + "a" * 20
_UP_S = 60.0
_ENTRY: TypeAdapter[Any] = TypeAdapter(chat.JournalEntry)
_TIMES = {"at", "expires_at"}


@dataclass
class Process:
    """One chat-proxy inside the test's process."""

    outside: Outside
    runners: Runners
    takeover: TakeoverReconciler
    stack: AsyncExitStack
    connection: Client

    async def stop(self) -> None:
        """As at SIGTERM."""
        await self.runners.hand_over()
        await self.stack.aclose()
        await self.connection.close()


@dataclass
class Platform:
    """Chat-proxy processes and a caller of theirs."""

    nats_url: str
    database: mongo.Database
    neighbours: Any
    rpc: RpcClient
    journal: Journal
    mongodb_uri: str
    processes: list[Process] = field(default_factory=list)
    spawned: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self, **settings: Any) -> Process:
        stack = AsyncExitStack()
        connection = await connect(self.nats_url, "chat-proxy")
        server = await stack.enter_async_context(RpcServer(connection, service="chat-proxy"))
        backbone = Backbone(
            connection, connection.jetstream(), RpcClient(connection), server, self.database
        )
        http = await stack.enter_async_context(open_agent_http())
        domain = f"localhost:{self.neighbours.hermes.port}"
        agents = HermesAgents(http, PreviewGuard((domain,)))
        stack.push_async_callback(agents.close)
        own = Settings.model_construct(**{**_SETTINGS, **settings})
        wire = await stack.enter_async_context(open_wire(self.nats_url, "chat-proxy"))
        outside = outside_of(own, backbone, agents, Journal(wire, backbone.jetstream))
        runners = Runners(outside)
        await serve(backbone, outside, runners)
        await self.rpc_ready()
        takeover = TakeoverReconciler(Takeover(outside, runners))
        process = Process(outside, runners, takeover, stack, connection)
        self.processes.append(process)
        return process

    async def spawn(self) -> asyncio.subprocess.Process:
        """A process of the operating system, to be killed."""
        port = free_port()
        environment = {
            **os.environ,
            "NATS_URL": self.nats_url,
            "MONGODB_URI": self.mongodb_uri,
            "DEPLOYMENT_ID": "test",
            "CHAT_PROXY_HEALTH_PORT": str(port),
            "CHAT_PROXY_PREVIEW_DOMAINS": f"localhost:{self.neighbours.hermes.port}",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "chat_proxy", env=environment
        )
        self.spawned.append(process)
        await self.rpc_ready()
        return process

    async def rpc_ready(self) -> None:
        """Until the endpoint served last answers."""
        nobody = chat.AnswerApproval(
            owner_id=OWNER, session_id="", approval_id="", choice=chat.ApprovalChoice.DENY
        )
        async with asyncio.timeout(_UP_S):
            while True:
                try:
                    await self.rpc.call(chat.ANSWER_APPROVAL, nobody)
                except UnavailableError:
                    await asyncio.sleep(0.05)
                except NotFoundError:
                    return

    async def let_claims_run_out(self) -> None:
        past = utc_now() - timedelta(seconds=1)
        await self.database["turns"].update_many({}, {"$set": {"claim.until": past}})

    async def session(self) -> chat.Session:
        launch = self.neighbours.launch()
        return await self.rpc.call(
            chat.CREATE_SESSION, chat.CreateSession(owner_id=OWNER, launch_id=launch.id)
        )

    async def say(
        self, session: chat.Session, text: str, *, attachments: Sequence[str] = ()
    ) -> chat.Turn:
        request = chat.StartTurn(
            owner_id=OWNER, session_id=session.id, text=text, attachments=list(attachments)
        )
        return await self.rpc.call(chat.START_TURN, request)

    async def turn(self, turn: chat.Turn) -> chat.Turn:
        request = chat.TurnRequest(owner_id=OWNER, session_id=turn.session_id, turn_id=turn.id)
        return await self.rpc.call(chat.GET_TURN, request)

    async def ended(self, turn: chat.Turn, *, within: float = 30) -> chat.Turn:
        """The turn, once it has ended."""
        async with asyncio.timeout(within):
            while (now := await self.turn(turn)).ended_at is None:
                await asyncio.sleep(0.02)
        return now

    async def entries(self, session_id: str, after: int = 0) -> list[chat.JournalEntry]:
        found: list[chat.JournalEntry] = []
        while True:
            request = chat.Attach(owner_id=OWNER, session_id=session_id, after=after)
            page = await self.rpc.call(chat.ATTACH, request)
            found += page.entries
            if not page.more:
                return found
            after = page.entries[-1].seq

    async def entry(self, session_id: str, type_: str, *, within: float = 30) -> Any:
        """The first entry of this type, once it is there."""
        async with asyncio.timeout(within):
            while True:
                for entry in await self.entries(session_id):
                    if entry.type == type_:
                        return entry
                await asyncio.sleep(0.02)


_SETTINGS: dict[str, Any] = {
    name: field.get_default()
    for name, field in Settings.model_fields.items()
    if not field.is_required()
}


@pytest.fixture
async def platform(nats_url: str, mongodb_uri: str, neighbours: Any) -> AsyncIterator[Platform]:
    async with a_platform(nats_url, mongodb_uri, neighbours) as own:
        yield own


@pytest.fixture
def make_platform() -> Callable[[str, str, Any], AbstractAsyncContextManager[Platform]]:
    return a_platform


@asynccontextmanager
async def a_platform(nats_url: str, mongodb_uri: str, neighbours: Any) -> AsyncIterator[Platform]:
    caller = await connect(nats_url, "test")
    await ensure_streams(caller.jetstream())
    client = mongo.open_client(mongodb_uri)
    database = mongo.database_of(client, "chat-proxy")
    await client.drop_database(database.name)
    await mongo.ensure_indexes(database, collections.INDEXES)
    told: list[bytes] = []
    await caller.subscribe(chat.session_journal("*"), cb=partial(_keep, told))
    async with open_wire(nats_url, "test") as wire:
        journal = Journal(wire, caller.jetstream())
        own = Platform(nats_url, database, neighbours, RpcClient(caller), journal, mongodb_uri)
        yield own
    for spawned in own.spawned:
        with contextlib.suppress(ProcessLookupError):
            spawned.kill()
        await spawned.wait()
    for process in own.processes:
        await process.stop()
    await client.close()
    await caller.close()
    for line in told:
        assert_of_the_contract(line)


async def _keep(told: list[bytes], message: Msg) -> None:
    told.extend(message.data.split(b"\n"))


def assert_of_the_contract(line: bytes) -> None:
    """Every entry that any test tells its viewers is one of the contract, and nothing besides."""
    told = json.loads(line)
    known = _ENTRY.validate_json(line).model_dump(mode="json")
    assert told.keys() <= known.keys(), line
    assert not {name for name in told.keys() - _TIMES if told[name] != known[name]}, line
