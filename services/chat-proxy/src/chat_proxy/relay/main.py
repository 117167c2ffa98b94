"""Composition root of the model relay, a process of its own."""

import logging
from contextlib import AsyncExitStack

import uvloop
from aiohttp import web
from common import mongo
from common.clock import utc_now
from common.contracts.events import (
    SECRET_DELETED,
    SECRET_PUT,
    SecretChanged,
)
from common.messaging import connection as bus
from common.messaging.events import hear
from common.messaging.rpc import RpcClient, RpcServer
from common.running import stop_signal
from common.telemetry.configuring import configure

from chat_proxy.adapters.mongo import collections
from chat_proxy.adapters.mongo.usage import MongoCallLog, MongoUsage
from chat_proxy.relay.access import Access
from chat_proxy.relay.app import Door
from chat_proxy.relay.checks import KeyChecks
from chat_proxy.relay.directory import BusDirectory
from chat_proxy.relay.egress import EgressPolicy
from chat_proxy.relay.endpoints import serve_checks
from chat_proxy.relay.listing import ModelLists
from chat_proxy.relay.relaying import Limits, Relay
from chat_proxy.relay.settings import Settings
from chat_proxy.relay.upstream import Timeouts, Upstream

logger = logging.getLogger(__name__)

NAME = "relay"
DATABASE = "chat-proxy"
"""Whose database holds usage and turns: the relay is part of chat-proxy."""


def main() -> None:
    settings = Settings()
    configure(NAME, settings.telemetry)
    uvloop.run(run(settings))


async def run(settings: Settings) -> None:
    """Serve until told to stop; the port is open while NATS and MongoDB are waited for."""
    stop = stop_signal()
    async with AsyncExitStack() as stack:
        client = mongo.open_client(settings.mongodb_uri.get_secret_value())
        stack.push_async_callback(client.close)
        upstream = upstream_for(settings)
        stack.push_async_callback(upstream.close)
        database = mongo.database_of(client, DATABASE)
        door, ready = Door(), Ready(client)
        runner = await serve(settings, door, ready)
        stack.push_async_callback(runner.cleanup)
        nats = await bus.connect(
            settings.nats_url.get_secret_value(), NAME, ca_file=settings.nats_ca_file
        )
        stack.push_async_callback(nats.close)
        ready.nats = nats
        await mongo.wait_until_up(client)
        await mongo.ensure_indexes(database, collections.INDEXES)
        directory = BusDirectory(RpcClient(nats))
        access = Access(directory, demo_url=settings.demo_url)
        await listen(nats, access)
        server = await stack.enter_async_context(RpcServer(nats, service=NAME))
        checks = KeyChecks(directory, upstream, utc_now)
        await serve_checks(server, checks, ModelLists(directory, upstream, utc_now))
        door.relay = Relay(
            access=access,
            upstream=upstream,
            calls=MongoCallLog(database),
            usage=MongoUsage(database),
            limits=limits_of(settings),
            clock=utc_now,
        )
        await stop.wait()
        logger.info("stopping")
        # Before the connections are closed, calls under way are given time to end.
        await runner.cleanup()


class Ready:
    """What `/readyz` asks."""

    def __init__(self, client: mongo.Client) -> None:
        self._client = client
        self.nats: bus.Connection | None = None

    async def check_nats(self) -> None:
        if self.nats is None:
            message = "not connected yet"
            raise ConnectionError(message)
        await bus.ping(self.nats)

    async def check_mongodb(self) -> None:
        await mongo.ping(self._client)


async def serve(settings: Settings, door: Door, ready: Ready) -> web.AppRunner:
    """Open the port; a call whose sandbox has gone is cancelled."""
    app = door.app({"nats": ready.check_nats, "mongodb": ready.check_mongodb})
    runner = web.AppRunner(
        app, access_log=None, handler_cancellation=True, shutdown_timeout=settings.drain_s
    )
    await runner.setup()
    await web.TCPSite(runner, settings.host, settings.port).start()
    return runner


async def listen(nats: bus.Connection, access: Access) -> None:
    """Forget a key at once when it has changed; the cache's time is what is relied on."""

    async def on_secret(data: SecretChanged) -> None:
        access.forget_keys(data.owner_id)

    await hear(nats, SECRET_PUT, on_secret)
    await hear(nats, SECRET_DELETED, on_secret)


def upstream_for(settings: Settings) -> Upstream:
    timeouts = Timeouts(
        connect_s=settings.connect_s,
        first_byte_s=settings.first_byte_s,
        whole_answer_s=settings.whole_answer_s,
        idle_s=settings.idle_s,
    )
    return Upstream(EgressPolicy(allow_private=settings.allow_private), timeouts)


def limits_of(settings: Settings) -> Limits:
    return Limits(
        max_body_bytes=settings.max_body_bytes,
        concurrent_per_owner=settings.concurrent_per_owner,
        daily_tokens=settings.daily_tokens,
    )
