"""Composition root: the service. Commands for operators are in `commands`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from common import mongo
from common.clock import utc_now
from common.contracts.events import OWNER_ERASED
from common.ids import new_id
from common.messaging.events import EventPublisher, consume
from common.messaging.loops import every
from common.messaging.wire import open_wire
from common.metrics.table import DRIVEN
from common.outbox import OutboxRelay
from common.preview import PreviewGuard, open_agent_http
from common.running import Backbone, backbone, run_until_stopped

from sandbox_manager.adapters.agents import PreviewAgents
from sandbox_manager.adapters.daytona.provider import DaytonaProvider
from sandbox_manager.adapters.mongo.launches import LAUNCHES
from sandbox_manager.adapters.mongo.others import LEASES, MongoLeadership
from sandbox_manager.adapters.mongo.sandboxes import SANDBOXES
from sandbox_manager.adapters.probe import NoProbe
from sandbox_manager.consumers import owner_erased
from sandbox_manager.endpoints import (
    serve_agents,
    serve_erasing,
    serve_files,
    serve_launches,
    serve_looking,
    serve_pool,
    serve_restricting,
)
from sandbox_manager.main.adapters import (
    EVENTS,
    INDEXES,
    MIGRATIONS,
    adapters_of,
    all_accounts,
    stores_in,
)
from sandbox_manager.main.commands import SERVICE, opened, provider_of
from sandbox_manager.main.parts import Parts, parts_of, retention
from sandbox_manager.ports.own import StepProbe
from sandbox_manager.reconcilers import Reconciler
from sandbox_manager.service.background import Background
from sandbox_manager.settings import Settings

_OUTBOX_EVERY = timedelta(seconds=1)


async def run(settings: Settings, probe: StepProbe | None = None) -> None:
    """Serve until told to stop; what is under way then is given to another process."""
    serving = asyncio.Event()

    async def is_serving() -> None:
        if not serving.is_set():
            message = "not serving yet"
            raise ConnectionError(message)

    async with (
        opened(settings) as sdk,
        backbone(
            settings,
            SERVICE,
            health_host=settings.health_host,
            health_port=settings.health_port,
            checks={"daytona": provider_of(settings, sdk).ping, "endpoints": is_serving},
        ) as connections,
    ):
        await mongo.prepare(connections.database, INDEXES, MIGRATIONS)
        provider = provider_of(settings, sdk)
        async with wired(settings, connections, provider, probe or NoProbe()) as parts:
            await serve(settings, connections, parts)
            serving.set()
            await run_until_stopped(
                every(_OUTBOX_EVERY, outbox_relay(connections).run_batched),
                every(settings.claim_ttl / 3, parts.takeover.claim_due),
                every(settings.claim_ttl / 3, parts.takeover.go_on),
                every(settings.reconcile_every, reconciler(settings, connections, parts).run_once),
                consume(
                    connections.jetstream,
                    OWNER_ERASED,
                    owner_erased(parts.erasing),
                    durable=SERVICE,
                ),
                server=connections.server,
            )


async def serve(settings: Settings, connections: Backbone, parts: Parts) -> None:
    await serve_launches(connections.server, parts.launching)
    await serve_pool(
        connections.server,
        parts.pool,
        retention=retention(settings),
        isolation=settings.isolation,
    )
    await serve_agents(connections.server, parts.lending)
    await serve_files(connections.server, parts.browsing)
    await serve_erasing(connections.server, parts.erasing)
    await serve_looking(connections.server, parts.operating)
    await serve_restricting(connections.server, parts.operating)


@asynccontextmanager
async def wired(
    settings: Settings, connections: Backbone, provider: DaytonaProvider, probe: StepProbe
) -> AsyncIterator[Parts]:
    """Leaving it ends what runs in the background."""
    stores, guard = stores_in(connections.database), PreviewGuard(settings.preview_domains)
    async with (
        all_accounts(settings, provider, stores.accounts) as accounts,
        open_agent_http(settings.preview_domains) as http,
        open_wire(
            settings.nats_url.get_secret_value(), SERVICE, ca_file=settings.nats_ca_file
        ) as wire,
        Background() as background,
    ):
        DRIVEN.watch(lambda: len(background))
        agents = PreviewAgents(http, guard)
        adapters = adapters_of(connections, stores, accounts, agents, wire, settings.key())
        yield parts_of(settings, adapters, background, probe)


def reconciler(settings: Settings, connections: Backbone, parts: Parts) -> Reconciler:
    leadership = MongoLeadership(
        connections.database[LEASES], new_id("wrk"), ttl=settings.reconcile_every * 1.5
    )
    return Reconciler(parts.surveying, parts.reconciliation, leadership, utc_now)


def outbox_relay(connections: Backbone) -> OutboxRelay:
    database = connections.database
    return OutboxRelay(
        [database[SANDBOXES], database[LAUNCHES]],
        database[EVENTS],
        EventPublisher(connections.jetstream),
    )
