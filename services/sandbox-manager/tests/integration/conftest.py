"""sandbox-manager over the real bus, the real store and the real local Daytona host with the real
Hermes; skill-resolver and keys are stand-ins that answer the same RPCs.
"""

import asyncio
import base64
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from chaos.lossy import Lossy
from common import mongo
from common.contracts import sandbox as wire
from common.contracts import skills as skills_wire
from common.ids import new_id
from common.messaging.connection import connect
from common.messaging.objects import ObjectBucket
from common.messaging.rpc import RpcClient, RpcServer
from common.messaging.streams import ensure_streams
from common.preview import PreviewGuard
from common.running import Backbone
from local_platform.daytona.testing import HostProcess
from sandbox_fakes.neighbours import Neighbours
from sandbox_manager.adapters.daytona.provider import DaytonaProvider, open_daytona
from sandbox_manager.adapters.probe import NoProbe
from sandbox_manager.main import serve, wired
from sandbox_manager.main.adapters import INDEXES
from sandbox_manager.main.commands import SERVICE
from sandbox_manager.main.parts import Parts
from sandbox_manager.settings import Settings

ROOTS = Path(__file__).parents[4] / ".local" / "daytona" / "roots"
SEAL_KEY = base64.b64encode(os.urandom(32)).decode()


@pytest.fixture(scope="session")
def host() -> Iterator[HostProcess]:
    """The local Daytona host as a process; its prepared root is shared by all runs."""
    with tempfile.TemporaryDirectory(prefix="host-") as folder:
        made = HostProcess(Path(folder), settings={"LOCAL_DAYTONA_ROOTS_DIR": str(ROOTS)})
        made.start()
        yield made
        made.stop()


@dataclass
class Platform:
    """The service as its callers see it, and what stands around it."""

    rpc: RpcClient
    neighbours: Neighbours
    provider: DaytonaProvider
    parts: Parts
    database: mongo.Database
    transfer: ObjectBucket
    key: str

    def owner(self) -> str:
        return new_id("own")

    async def start(self, owner: str, ref: str) -> wire.Launch:
        request = wire.StartLaunch(owner_id=owner, ref=ref)
        return await self.rpc.call(wire.START_LAUNCH, request)

    async def ended(self, launch: wire.Launch, owner: str) -> wire.Launch:
        request = wire.GetLaunch(owner_id=owner, launch_id=launch.id)
        async with asyncio.timeout(60):
            while launch.state in {wire.LaunchState.PENDING, wire.LaunchState.RUNNING}:
                await asyncio.sleep(0.05)
                launch = await self.rpc.call(wire.GET_LAUNCH, request)
        return launch

    async def launch(self, owner: str, ref: str) -> wire.Launch:
        launch = await self.ended(await self.start(owner, ref), owner)
        assert launch.state is wire.LaunchState.READY, launch.error
        return launch

    async def gone(self, owner: str) -> None:
        """Until the provider has nothing of this owner's."""
        async with asyncio.timeout(30):
            while await self.machines(owner):
                await asyncio.sleep(0.05)

    async def machines(self, owner: str) -> list[str]:
        found = await self.provider.list({"tryskills-owner": owner})
        return [machine.id for machine in found]


@dataclass(frozen=True)
class Servers:
    """What stands before the service; `api_url` is where it finds the provider."""

    host: HostProcess
    nats_url: str
    mongodb_uri: str
    api_url: str


@pytest.fixture(scope="module")
async def platform(host: HostProcess, nats_url: str, mongodb_uri: str) -> AsyncIterator[Platform]:
    async with platform_on(Servers(host, nats_url, mongodb_uri, host.api_url)) as made:
        yield made


@pytest.fixture(scope="module")
async def lossy(host: HostProcess) -> AsyncIterator[Lossy]:
    """A way to the host that can be disturbed."""
    async with Lossy(host.port) as made:
        yield made


@pytest.fixture(scope="module")
async def disturbed(
    host: HostProcess, lossy: Lossy, nats_url: str, mongodb_uri: str
) -> AsyncIterator[Platform]:
    """A platform that finds its provider through `lossy`."""
    api_url = f"http://127.0.0.1:{lossy.port}/api"
    async with platform_on(Servers(host, nats_url, mongodb_uri, api_url), "disturbed") as made:
        yield made


@asynccontextmanager
async def platform_on(servers: Servers, deployment: str = "test") -> AsyncIterator[Platform]:
    settings, host = _settings(servers, deployment), servers.host
    nats_url, mongodb_uri = servers.nats_url, servers.mongodb_uri
    guard = PreviewGuard(settings.preview_domains)
    client = mongo.open_client(mongodb_uri)
    database = client.get_database(f"test_{new_id('db')}")
    await mongo.ensure_indexes(database, INDEXES)
    nats = await connect(nats_url, SERVICE)
    jetstream = nats.jetstream()
    await ensure_streams(jetstream)
    neighbours, rpc = Neighbours(), RpcClient(nats)
    bucket = ObjectBucket(jetstream, skills_wire.BUNDLE_BUCKET)
    async with (
        open_daytona(host.api_url, host.key) as direct,
        open_daytona(servers.api_url, host.key) as sdk,
        RpcServer(nats, service=SERVICE) as server,
    ):
        await neighbours.serve_skills(server, bucket)
        await neighbours.serve_keys(server)
        provider = DaytonaProvider(direct, guard)
        connections = Backbone(nats, jetstream, rpc, server, database)
        used = DaytonaProvider(sdk, guard)
        async with wired(settings, connections, used, NoProbe()) as parts:
            await serve(settings, connections, parts)
            transfer = ObjectBucket(jetstream, wire.TRANSFER_BUCKET)
            yield Platform(rpc, neighbours, provider, parts, database, transfer, host.key)
        for machine in await provider.list({"tryskills-deployment": settings.deployment_id}):
            await provider.delete(machine.id)
    await nats.close()
    await client.close()


def _settings(servers: Servers, deployment: str) -> Settings:
    return Settings.model_validate(
        {
            "NATS_URL": servers.nats_url,
            "MONGODB_URI": servers.mongodb_uri,
            "DEPLOYMENT_ID": deployment,
            "DAYTONA_API_URL": servers.api_url,
            "DAYTONA_API_KEY": servers.host.key,
            "RELAY_PUBLIC_URL": "http://model-relay.internal:8090",
            "seal_key": SEAL_KEY,
            "preview_domains": f"proxy.localhost:{servers.host.port}",
        }
    )
