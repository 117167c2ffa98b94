"""What every service does around its own wiring: connect, serve the side port, run until told to
stop, drain.
"""

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from nats.aio.client import Client as NatsClient
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from common import mongo
from common.contracts.access import CONSUMERS, STEWARD
from common.health import Check, start_health
from common.messaging import connection as bus
from common.messaging.events import ensure_consumer
from common.messaging.rpc import RpcClient, RpcServer
from common.messaging.streams import ensure_streams, wait_for_streams
from common.settings import SharedSettings

logger = logging.getLogger(__name__)

_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 3.0


@dataclass(frozen=True)
class Backbone:
    """The connections a service is wired from."""

    nats: NatsClient
    jetstream: JetStreamContext
    rpc: RpcClient
    server: RpcServer
    database: mongo.Database


@asynccontextmanager
async def backbone(
    shared: SharedSettings,
    service: str,
    *,
    health_host: str,
    health_port: int,
    checks: Mapping[str, Check] | None = None,
) -> AsyncIterator[Backbone]:
    """Connect to NATS and MongoDB, waiting for either with back-off, and serve the side port
    meanwhile. The steward of the bus creates the streams, the others wait for them.

    Leaving it stops taking requests, lets those under way finish, and closes the connections.

    """
    client = mongo.open_client(shared.mongodb_uri.get_secret_value())
    connected: dict[str, NatsClient] = {}

    async def nats_ready() -> None:
        await bus.ping(connected["nats"])

    async def mongo_ready() -> None:
        await mongo.ping(client)

    all_checks: dict[str, Check] = {"nats": nats_ready, "mongodb": mongo_ready, **(checks or {})}
    async with AsyncExitStack() as stack:
        stack.push_async_callback(client.close)
        runner = await start_health(health_host, health_port, all_checks)
        stack.push_async_callback(runner.cleanup)
        nats = await bus.connect(
            shared.nats_url.get_secret_value(), service, ca_file=shared.nats_ca_file
        )
        stack.push_async_callback(nats.close)
        jetstream = nats.jetstream()
        if service == STEWARD:
            await set_up(jetstream, replicas=shared.stream_replicas)
        else:
            await wait_for_streams(jetstream)
        await mongo.wait_until_up(client)
        connected["nats"] = nats
        server = await stack.enter_async_context(RpcServer(nats, service=service))
        yield Backbone(
            nats, jetstream, RpcClient(nats), server, mongo.database_of(client, service)
        )


async def set_up(jetstream: JetStreamContext, *, replicas: int) -> None:
    """Create what the bus needs and is not there: streams, buckets, durable consumers. A cluster
    that cannot yet, having no leader or too few servers, is waited for with back-off.
    """
    wait_s = _FIRST_WAIT_S
    while True:
        try:
            await _set_up(jetstream, replicas)
        except (NatsError, TimeoutError) as exc:
            logger.warning("JetStream makes no streams yet", extra={"reason": str(exc)})
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
        else:
            return


async def _set_up(jetstream: JetStreamContext, replicas: int) -> None:
    await ensure_streams(jetstream, replicas=replicas)
    for event, users in CONSUMERS.items():
        for user in users:
            await ensure_consumer(jetstream, event, durable=user)


async def run_until_stopped(*loops: Coroutine[Any, Any, None], server: RpcServer) -> None:
    """Run `loops` side by side until SIGTERM or SIGINT; a loop that ends or fails ends the
    process. Then `server` takes no more requests and lets those under way finish, while all that
    they need is still there.
    """
    tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(loop) for loop in loops]
    stopping: asyncio.Future[Any] = asyncio.ensure_future(stop_signal().wait())
    done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
    logger.info("stopping")
    await server.drain()
    for task in tasks:
        task.cancel()
    stopping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done - {stopping}:
        task.result()


def settle() -> None:
    """Take what is there after the start out of every later garbage collection, which would stop
    all streams for as long as it looks through all modules.
    """
    gc.collect()
    gc.freeze()


def stop_signal() -> asyncio.Event:
    """Set at SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
