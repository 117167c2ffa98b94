"""Composition root: the only file that knows every other."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from common import mongo
from common.clock import utc_now
from common.contracts.events import OWNER_ERASED
from common.contracts.skills import BUNDLE_BUCKET
from common.ids import new_id
from common.messaging.events import EventPublisher, consume
from common.messaging.journal import Journal
from common.messaging.loops import every
from common.messaging.objects import ObjectBucket
from common.messaging.streams import TRANSFER_BUCKET
from common.outbox import ARCHIVE_INDEXES, OutboxRelay
from common.preview import PreviewGuard, open_agent_http
from common.running import Backbone, backbone, run_until_stopped

from sandbox_manager.adapters.agents import PreviewAgents
from sandbox_manager.adapters.bus import BusJournal, BusKeys, BusSkills, BusTransfer
from sandbox_manager.adapters.daytona.provider import DaytonaProvider, open_daytona
from sandbox_manager.adapters.daytona.toolbox import Toolbox
from sandbox_manager.adapters.inside.commands import InsideCommands
from sandbox_manager.adapters.inside.workspaces import SandboxWorkspaces
from sandbox_manager.adapters.mongo.launches import LAUNCH_INDEXES, LAUNCHES, MongoLaunches
from sandbox_manager.adapters.mongo.others import (
    ACKNOWLEDGEMENTS,
    LEASES,
    ORPHANS,
    MongoAcknowledgements,
    MongoLeadership,
    MongoOrphans,
)
from sandbox_manager.adapters.mongo.sandboxes import SANDBOX_INDEXES, SANDBOXES, MongoSandboxes
from sandbox_manager.adapters.probe import NoProbe
from sandbox_manager.adapters.sealing import AesSealer
from sandbox_manager.adapters.signing import Ed25519Signer
from sandbox_manager.consumers import owner_erased
from sandbox_manager.endpoints import serve_agents, serve_files, serve_launches, serve_pool
from sandbox_manager.model.config import ModelLimits
from sandbox_manager.ports.own import StepProbe
from sandbox_manager.ports.provider import Retention, Source
from sandbox_manager.reconcilers import Reconciler
from sandbox_manager.service.background import Background
from sandbox_manager.service.browsing import Browsing
from sandbox_manager.service.caring import AgentCare
from sandbox_manager.service.configuring import Configs
from sandbox_manager.service.creating import CreatePolicy, Creation
from sandbox_manager.service.desk import Records
from sandbox_manager.service.driving import LaunchDriver
from sandbox_manager.service.erasing import Erasing
from sandbox_manager.service.gate import Gate
from sandbox_manager.service.installing import Installation
from sandbox_manager.service.launching import Launching
from sandbox_manager.service.lending import Lending
from sandbox_manager.service.pool import Pool
from sandbox_manager.service.preparing import Preparation
from sandbox_manager.service.receipts import Receipts
from sandbox_manager.service.reconciling import Reconciliation
from sandbox_manager.service.removing import Removal
from sandbox_manager.service.takeover import Takeover
from sandbox_manager.settings import Settings

SERVICE = "sandbox-manager"
EVENTS = "events"

_OUTBOX_EVERY = timedelta(seconds=1)
_TRANSFER_TTL = timedelta(minutes=10)
_RECONCILE_EVERY = timedelta(seconds=60)


@dataclass(frozen=True)
class Parts:
    """What is wired once and used in several places."""

    launching: Launching
    pool: Pool
    lending: Lending
    takeover: Takeover
    reconciliation: Reconciliation
    erasing: Erasing
    browsing: Browsing


async def run(settings: Settings, probe: StepProbe | None = None) -> None:
    """Serve until told to stop; what is under way then is given to another process."""
    guard = PreviewGuard(settings.preview_domains)
    serving = asyncio.Event()

    async def is_serving() -> None:
        if not serving.is_set():
            message = "not serving yet"
            raise ConnectionError(message)

    async with (
        open_daytona(settings.daytona_api_url, settings.daytona_api_key.get_secret_value()) as sdk,
        backbone(
            settings,
            SERVICE,
            health_host=settings.health_host,
            health_port=settings.health_port,
            checks={"daytona": DaytonaProvider(sdk, guard).ping, "endpoints": is_serving},
        ) as connections,
    ):
        await mongo.ensure_indexes(connections.database, INDEXES)
        provider = DaytonaProvider(sdk, guard)
        async with wired(settings, connections, provider, guard, probe or NoProbe()) as parts:
            await serve(settings, connections, parts)
            serving.set()
            await run_until_stopped(
                every(_OUTBOX_EVERY, outbox_relay(connections).run_once),
                every(settings.claim_ttl / 3, parts.takeover.claim_due),
                every(settings.claim_ttl / 3, parts.takeover.go_on),
                every(_RECONCILE_EVERY, reconciler(connections, parts).run_once),
                consume(
                    connections.jetstream,
                    OWNER_ERASED,
                    owner_erased(parts.erasing),
                    durable=SERVICE,
                ),
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


@asynccontextmanager
async def wired(
    settings: Settings,
    connections: Backbone,
    provider: DaytonaProvider,
    guard: PreviewGuard,
    probe: StepProbe,
) -> AsyncIterator[Parts]:
    database, key, worker = connections.database, settings.key(), new_id("wrk")
    sandboxes = MongoSandboxes(database[SANDBOXES])
    launches = MongoLaunches(database[LAUNCHES])
    inside = InsideCommands(Toolbox(provider))
    acknowledgements = MongoAcknowledgements(database[ACKNOWLEDGEMENTS])
    skills = BusSkills(connections.rpc, ObjectBucket(connections.jetstream, BUNDLE_BUCKET))
    journal = BusJournal(Journal(connections.nats, connections.jetstream))
    receipts = Receipts(settings.hermes, Ed25519Signer(key))
    configs = Configs(
        BusKeys(connections.rpc),
        secret=key,
        relay_url=settings.relay_public_url,
        limits=ModelLimits(settings.context_length, settings.max_tokens),
    )
    async with open_agent_http() as http, Background() as background:
        preparation = Preparation(
            provider=provider,
            inside=inside,
            agents=PreviewAgents(http, guard),
            skills=skills,
            configs=configs,
            sealer=AesSealer(key),
            clock=utc_now,
            agent_start=settings.agent_start,
        )
        care = AgentCare(
            provider=provider,
            inside=inside,
            sandboxes=sandboxes,
            preparation=preparation,
            clock=utc_now,
        )
        removal = Removal(provider=provider, sandboxes=sandboxes, clock=utc_now)
        driver = LaunchDriver(
            records=Records(launches, sandboxes, journal, settings.claim_ttl),
            provider=provider,
            configs=configs,
            preparation=preparation,
            creation=Creation(
                provider=provider,
                inside=inside,
                sandboxes=sandboxes,
                preparation=preparation,
                policy=create_policy(settings),
            ),
            installation=Installation(preparation=preparation, configs=configs, care=care),
            removal=removal,
            receipts=receipts,
            clock=utc_now,
            probe=probe,
        )
        pool = Pool(
            sandboxes=sandboxes,
            provider=provider,
            inside=inside,
            removal=removal,
            background=background,
            tab_limit=settings.tab_limit,
            clock=utc_now,
        )
        yield Parts(
            launching=Launching(
                worker=worker,
                launches=launches,
                sandboxes=sandboxes,
                skills=skills,
                journal=journal,
                configs=configs,
                preparation=preparation,
                gate=Gate(acknowledgements, allowed=settings.allowed_digests()),
                driver=driver,
                background=background,
                most_launches=settings.most_launches,
                receipts=receipts,
                clock=utc_now,
                claim_ttl=settings.claim_ttl,
            ),
            pool=pool,
            lending=Lending(
                sandboxes=sandboxes,
                inside=inside,
                preparation=preparation,
                configs=configs,
                care=care,
                pool=pool,
                most_leases=settings.most_turns,
                clock=utc_now,
            ),
            reconciliation=reconciliation(settings, database, provider),
            browsing=Browsing(
                sandboxes,
                SandboxWorkspaces(Toolbox(provider)),
                BusTransfer(
                    ObjectBucket(connections.jetstream, TRANSFER_BUCKET, ttl=_TRANSFER_TTL)
                ),
            ),
            erasing=Erasing(
                sandboxes=sandboxes,
                launches=launches,
                acknowledgements=acknowledgements,
                removal=removal,
                clock=utc_now,
            ),
            takeover=Takeover(
                worker=worker,
                launches=launches,
                sandboxes=sandboxes,
                driver=driver,
                removal=removal,
                background=background,
                clock=utc_now,
                claim_ttl=settings.claim_ttl,
            ),
        )


def reconciliation(
    settings: Settings, database: mongo.Database, provider: DaytonaProvider
) -> Reconciliation:
    sandboxes = MongoSandboxes(database[SANDBOXES])
    return Reconciliation(
        deployment_id=settings.deployment_id,
        provider=provider,
        sandboxes=sandboxes,
        orphans=MongoOrphans(database[ORPHANS]),
        sealer=AesSealer(settings.key()),
        removal=Removal(provider=provider, sandboxes=sandboxes, clock=utc_now),
        grace=settings.orphan_grace,
        clock=utc_now,
    )


async def reconcile(settings: Settings, write: Callable[[str], object], *, dry_run: bool) -> int:
    """Compare once and print; 1 when the balance does not hold."""
    client = mongo.open_client(settings.mongodb_uri.get_secret_value())
    database = mongo.database_of(client, SERVICE)
    api_key = settings.daytona_api_key.get_secret_value()
    try:
        async with open_daytona(settings.daytona_api_url, api_key) as sdk:
            guard = PreviewGuard(settings.preview_domains)
            work = reconciliation(settings, database, DaytonaProvider(sdk, guard))
            survey = await work.survey()
            for finding in survey.findings:
                done = "" if dry_run else f"{'done' if await work.act(finding) else 'left'}: "
                write(f"{done}{finding.remedy} {finding.sandbox_id}: {finding.detail}\n")
    finally:
        await client.close()
    balance = survey.balance
    write(
        f"billed {balance.billed} = recorded {balance.recorded} + explained {balance.explained}\n"
    )
    return 0 if balance.unexplained == 0 else 1


def reconciler(connections: Backbone, parts: Parts) -> Reconciler:
    leadership = MongoLeadership(
        connections.database[LEASES], new_id("wrk"), ttl=_RECONCILE_EVERY * 1.5
    )
    return Reconciler(parts.reconciliation, leadership, utc_now)


def create_policy(settings: Settings) -> CreatePolicy:
    ways = (
        (Source.SNAPSHOT, settings.snapshot),
        (Source.IMAGE, settings.image),
        (Source.BARE, settings.bare_image),
    )
    return CreatePolicy(
        deployment_id=settings.deployment_id,
        sources=[(source, image) for source, image in ways if image],
        retention=retention(settings),
        most_sandboxes=settings.most_sandboxes,
        hermes=settings.hermes,
    )


def retention(settings: Settings) -> Retention:
    return Retention(settings.stop_after, settings.archive_after, settings.delete_after)


def outbox_relay(connections: Backbone) -> OutboxRelay:
    database = connections.database
    return OutboxRelay(
        [database[SANDBOXES], database[LAUNCHES]],
        database[EVENTS],
        EventPublisher(connections.jetstream),
    )


INDEXES = {SANDBOXES: SANDBOX_INDEXES, LAUNCHES: LAUNCH_INDEXES, EVENTS: ARCHIVE_INDEXES}
