"""The use cases over their ports."""

import asyncio
from dataclasses import dataclass

from common.clock import utc_now
from common.ids import new_id

from sandbox_manager.main.adapters import Adapters, Stores
from sandbox_manager.model.config import ModelLimits
from sandbox_manager.model.idle import IdlePolicy
from sandbox_manager.ports.own import Sealer, StepProbe
from sandbox_manager.ports.provider import Retention, SandboxProvider, Source
from sandbox_manager.service.accounts import OwnAccounts
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
from sandbox_manager.service.moving import Moving
from sandbox_manager.service.operating import Operating
from sandbox_manager.service.overdue import Overdue
from sandbox_manager.service.pool import Pool
from sandbox_manager.service.preparing import Preparation
from sandbox_manager.service.readying import Readying
from sandbox_manager.service.receipts import Receipts
from sandbox_manager.service.reconciling import Reconciliation
from sandbox_manager.service.removing import Removal
from sandbox_manager.service.stopping import Stopping
from sandbox_manager.service.surveying import Surveying
from sandbox_manager.service.takeover import Takeover
from sandbox_manager.settings import Settings


@dataclass(frozen=True)
class Parts:
    """What is served and looped."""

    launching: Launching
    pool: Pool
    lending: Lending
    takeover: Takeover
    surveying: Surveying
    reconciliation: Reconciliation
    erasing: Erasing
    browsing: Browsing
    operating: Operating


@dataclass(frozen=True)
class Shared:
    """Use cases that others are made of."""

    configs: Configs
    preparation: Preparation
    care: AgentCare
    gate: Gate
    own: OwnAccounts
    removal: Removal
    receipts: Receipts


def shared_of(settings: Settings, adapters: Adapters, probe: StepProbe) -> Shared:
    configs = Configs(
        adapters.keys,
        secret=settings.key(),
        relay_url=settings.relay_public_url,
        limits=ModelLimits(settings.context_length, settings.max_tokens),
    )
    preparation = Preparation(
        provider=adapters.provider,
        inside=adapters.inside,
        agents=adapters.agents,
        skills=adapters.skills,
        configs=configs,
        sealer=adapters.sealer,
        clock=utc_now,
        agent_start=settings.agent_start,
    )
    care = AgentCare(
        provider=adapters.provider,
        inside=adapters.inside,
        sandboxes=adapters.stores.sandboxes,
        preparation=preparation,
        clock=utc_now,
    )
    return Shared(
        configs=configs,
        preparation=preparation,
        care=care,
        gate=Gate(
            adapters.stores.acknowledgements,
            adapters.stores.restrictions,
            utc_now,
            allowed=settings.allowed_digests(),
        ),
        own=OwnAccounts(
            keys=adapters.keys,
            accounts=adapters.stores.accounts,
            sealer=adapters.sealer,
            secret=settings.key(),
            is_relay_public=settings.is_relay_public,
            clock=utc_now,
        ),
        removal=Removal(
            provider=adapters.provider,
            sandboxes=adapters.stores.sandboxes,
            clock=utc_now,
            probe=probe,
        ),
        receipts=Receipts(adapters.signer),
    )


def driver_of(
    settings: Settings, adapters: Adapters, shared: Shared, probe: StepProbe
) -> LaunchDriver:
    stores = adapters.stores
    return LaunchDriver(
        records=Records(stores.launches, stores.sandboxes, adapters.journal, settings.claim_ttl),
        provider=adapters.provider,
        gate=shared.gate,
        configs=shared.configs,
        preparation=shared.preparation,
        creation=Creation(
            provider=adapters.provider,
            inside=adapters.inside,
            sandboxes=stores.sandboxes,
            preparation=shared.preparation,
            policy=create_policy(settings),
            pointer=stores.pointer,
            own=shared.own,
        ),
        installation=Installation(
            preparation=shared.preparation, configs=shared.configs, care=shared.care
        ),
        moving=Moving(shared.own, adapters.provider, shared.removal, utc_now),
        removal=shared.removal,
        receipts=shared.receipts,
        creates=asyncio.Semaphore(settings.most_creates),
        clock=utc_now,
        probe=probe,
    )


def parts_of(
    settings: Settings, adapters: Adapters, background: Background, probe: StepProbe
) -> Parts:
    shared, worker = shared_of(settings, adapters, probe), new_id("wrk")
    driver = driver_of(settings, adapters, shared, probe)
    stores = adapters.stores
    pool = Pool(
        sandboxes=stores.sandboxes,
        provider=adapters.provider,
        inside=adapters.inside,
        care=shared.care,
        configs=shared.configs,
        stopping=Stopping(adapters.provider, stores.sandboxes, utc_now, probe),
        removal=shared.removal,
        background=background,
        idle=idle_policy(settings),
        clock=utc_now,
    )
    keeping = keeping_of(
        settings, stores, adapters.provider, sealer=adapters.sealer, worker=worker, probe=probe
    )
    return Parts(
        launching=Launching(
            worker=worker,
            launches=stores.launches,
            sandboxes=stores.sandboxes,
            skills=adapters.skills,
            journal=adapters.journal,
            configs=shared.configs,
            preparation=shared.preparation,
            gate=shared.gate,
            driver=driver,
            background=background,
            most_launches=settings.most_launches,
            receipts=shared.receipts,
            clock=utc_now,
            claim_ttl=settings.claim_ttl,
        ),
        pool=pool,
        lending=Lending(
            sandboxes=stores.sandboxes,
            inside=adapters.inside,
            preparation=shared.preparation,
            care=shared.care,
            readying=Readying(
                stores.sandboxes, shared.preparation, shared.configs, shared.care, utc_now
            ),
            pool=pool,
            gate=shared.gate,
            most_leases=settings.most_turns,
            clock=utc_now,
        ),
        takeover=Takeover(
            worker=worker,
            launches=stores.launches,
            driver=driver,
            overdue=keeping.overdue,
            background=background,
            clock=utc_now,
            claim_ttl=settings.claim_ttl,
        ),
        surveying=keeping.surveying,
        reconciliation=keeping.reconciliation,
        erasing=Erasing(
            sandboxes=stores.sandboxes,
            launches=stores.launches,
            acknowledgements=stores.acknowledgements,
            accounts=stores.accounts,
            removal=shared.removal,
        ),
        browsing=Browsing(stores.sandboxes, adapters.workspaces, adapters.transfer),
        operating=Operating(
            sandboxes=stores.sandboxes,
            launches=stores.launches,
            restrictions=stores.restrictions,
            deeds=stores.deeds,
            surveying=keeping.surveying,
            clock=utc_now,
        ),
    )


@dataclass(frozen=True)
class Keeping:
    """What keeps records and provider together, in the service and by hand."""

    overdue: Overdue
    surveying: Surveying
    reconciliation: Reconciliation


def keeping_of(
    settings: Settings,
    stores: Stores,
    provider: SandboxProvider,
    *,
    sealer: Sealer,
    worker: str,
    probe: StepProbe,
) -> Keeping:
    sandboxes, idle = stores.sandboxes, idle_policy(settings)
    removal = Removal(provider=provider, sandboxes=sandboxes, clock=utc_now, probe=probe)
    overdue = Overdue(worker, stores.launches, sandboxes, removal, utc_now)
    return Keeping(
        overdue=overdue,
        surveying=Surveying(
            deployment_id=settings.deployment_id,
            provider=provider,
            sandboxes=sandboxes,
            orphans=stores.orphans,
            overdue=overdue,
            idle=idle,
            grace=settings.orphan_grace,
            clock=utc_now,
        ),
        reconciliation=Reconciliation(
            provider=provider,
            sandboxes=sandboxes,
            orphans=stores.orphans,
            accounts=stores.accounts,
            sealer=sealer,
            removal=removal,
            stopping=Stopping(provider, sandboxes, utc_now, probe),
            overdue=overdue,
            idle=idle,
            clock=utc_now,
        ),
    )


def idle_policy(settings: Settings) -> IdlePolicy:
    return IdlePolicy(settings.stop_after, settings.tab_limit)


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
