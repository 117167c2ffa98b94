"""What an operator runs by hand: reconcile once, build or check the snapshot."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from common import mongo
from common.clock import utc_now
from common.ids import new_id
from common.preview import PreviewGuard, open_agent_http
from daytona import AsyncDaytona

from sandbox_manager.adapters.agents import PreviewAgents
from sandbox_manager.adapters.daytona.provider import DaytonaProvider, open_daytona
from sandbox_manager.adapters.daytona.snapshots import DaytonaSnapshots, managed_files
from sandbox_manager.adapters.daytona.toolbox import Toolbox
from sandbox_manager.adapters.inside.commands import InsideCommands
from sandbox_manager.adapters.probe import NoProbe
from sandbox_manager.adapters.sealing import AesSealer
from sandbox_manager.main.adapters import Stores, all_accounts, stores_in
from sandbox_manager.main.parts import keeping_of
from sandbox_manager.model.balance import Finding
from sandbox_manager.model.recipe import recipe
from sandbox_manager.service.snapshots import SnapshotCare
from sandbox_manager.settings import Settings

SERVICE = "sandbox-manager"

Write = Callable[[str], object]


async def reconcile(settings: Settings, write: Write, *, dry_run: bool) -> int:
    """Compare once and print; 1 when the balance does not hold."""
    async with (
        stores_of(settings) as stores,
        opened(settings) as sdk,
        all_accounts(settings, provider_of(settings, sdk), stores.accounts) as provider,
    ):
        sealer = AesSealer(settings.key())
        keeping = keeping_of(
            settings, stores, provider, sealer=sealer, worker=new_id("wrk"), probe=NoProbe()
        )
        survey = await keeping.surveying.run()
        if dry_run:
            for finding in survey.findings:
                write(_line(finding))
        else:
            async for finding, is_done in keeping.reconciliation.act(survey):
                write(f"{'done' if is_done else 'left'}: {_line(finding)}")
    balance = survey.balance
    write(
        f"billed {balance.billed} = recorded {balance.recorded} + explained {balance.explained}\n"
    )
    return 0 if balance.unexplained == 0 else 1


def _line(finding: Finding) -> str:
    owner = finding.owner_id or "nobody"
    return f"{finding.remedy} {finding.sandbox_id} of {owner}: {finding.detail}\n"


async def snapshot(settings: Settings, write: Write, *, build: bool) -> int:
    """Build a snapshot and switch to it, or check the one in use; 1 when it is not right."""
    async with (
        stores_of(settings) as stores,
        opened(settings) as sdk,
        open_agent_http(settings.preview_domains) as http,
    ):
        provider = provider_of(settings, sdk)
        care = SnapshotCare(
            deployment_id=settings.deployment_id,
            configured=settings.snapshot,
            hermes=settings.hermes,
            recipe=recipe(settings.hermes, managed_files()),
            builder=DaytonaSnapshots(sdk),
            provider=provider,
            inside=InsideCommands(Toolbox(provider)),
            agents=PreviewAgents(http, PreviewGuard(settings.preview_domains)),
            pointer=stores.pointer,
            agent_start=settings.agent_start,
            clock=utc_now,
        )

        def tell(line: str) -> None:
            write(f"{line}\n")

        is_right = await (care.build(tell) if build else care.check(tell))
    return 0 if is_right else 1


@asynccontextmanager
async def stores_of(settings: Settings) -> AsyncIterator[Stores]:
    client = mongo.open_client(settings.mongodb_uri.get_secret_value())
    try:
        yield stores_in(mongo.database_of(client, SERVICE))
    finally:
        await client.close()


def opened(settings: Settings) -> AsyncDaytona:
    return open_daytona(settings.daytona_api_url, settings.daytona_api_key.get_secret_value())


def provider_of(settings: Settings, sdk: AsyncDaytona) -> DaytonaProvider:
    return DaytonaProvider(sdk, PreviewGuard(settings.preview_domains))
