"""sandbox-manager over the real bus, the real store and the real local Daytona host with the real
Hermes; skill-resolver and keys are stand-ins that answer the same RPCs.
"""

import asyncio
import base64
import io
import os
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from common import mongo
from common.clock import utc_now
from common.contracts import keys as keys_wire
from common.contracts import sandbox as wire
from common.contracts import skills as skills_wire
from common.digest import skill_digest
from common.errors import NotFoundError
from common.ids import new_id
from common.messaging.connection import connect
from common.messaging.objects import ObjectBucket
from common.messaging.rpc import RpcClient, RpcServer
from common.messaging.streams import TRANSFER_BUCKET, ensure_streams
from common.preview import PreviewGuard
from common.running import Backbone
from common.testing.fakes import START
from local_platform.daytona.testing import HostProcess
from pydantic import SecretStr
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
class Neighbours:
    """What skill-resolver and keys would answer."""

    skills: dict[str, skills_wire.ResolvedSkill] = field(default_factory=dict)
    bundles: dict[str, bytes] = field(default_factory=dict)
    chosen: keys_wire.OwnerSettings = field(
        default_factory=lambda: keys_wire.OwnerSettings(provider="demo", model="demo")
    )
    secrets: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, ref: str, files: dict[str, str], *variables: str) -> skills_wire.ResolvedSkill:
        owner, repo, path = ref.split("/", 2)
        triples = [(name, 0o644, text.encode()) for name, text in files.items()]
        skill = skills_wire.ResolvedSkill(
            ref=ref,
            owner=owner,
            repo=repo,
            commit="c" * 40,
            path=path,
            name=path,
            description="",
            digest=skill_digest(triples),
            files=[],
            total_bytes=0,
            env_vars=[
                skills_wire.EnvVar(name=name, required=True, source="test") for name in variables
            ],
            report=skills_wire.SafetyReport(verdict=skills_wire.Verdict.CLEAR),
            resolved_at=utc_now(),
        )
        self.skills[ref] = skill
        self.bundles[skill.digest] = _tar(triples)
        return skill

    async def serve_skills(self, server: RpcServer, bucket: ObjectBucket) -> None:
        async def resolve(request: skills_wire.ResolveSkill) -> skills_wire.ResolvedSkill:
            if request.ref not in self.skills:
                raise NotFoundError("no such skill")
            return self.skills[request.ref]

        async def bundle(request: skills_wire.GetBundle) -> skills_wire.Bundle:
            name, content = request.digest.split(":")[1], self.bundles[request.digest]
            await bucket.put(name, content)
            return skills_wire.Bundle(
                digest=request.digest,
                bucket=skills_wire.BUNDLE_BUCKET,
                object_name=name,
                size=len(content),
            )

        await server.serve(skills_wire.RESOLVE, resolve)
        await server.serve(skills_wire.GET_BUNDLE, bundle)

    async def serve_keys(self, server: RpcServer) -> None:
        async def settings(request: keys_wire.GetSettings) -> keys_wire.OwnerSettings:
            return self.chosen

        async def listed(request: keys_wire.ListSecrets) -> keys_wire.SecretList:
            return keys_wire.SecretList(
                secrets=[
                    keys_wire.SecretMetadata(
                        name=name, skill=skill, last_four="", version=len(value), set_at=START
                    )
                    for (name, skill), value in self.secrets.items()
                ]
            )

        async def reveal(request: keys_wire.Reveal) -> keys_wire.Revealed:
            value = self.secrets[request.name, request.skill or ""]
            return keys_wire.Revealed(value=SecretStr(value), version=1)

        await server.serve(keys_wire.GET_SETTINGS, settings)
        await server.serve(keys_wire.LIST_SECRETS, listed)
        await server.serve(keys_wire.REVEAL, reveal)


def _tar(files: list[tuple[str, int, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, mode, content in files:
            member = tarfile.TarInfo(name)
            member.mode, member.size = mode, len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@dataclass
class Platform:
    """The service as its callers see it, and what stands around it."""

    rpc: RpcClient
    neighbours: Neighbours
    provider: DaytonaProvider
    parts: Parts
    database: mongo.Database
    transfer: ObjectBucket

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

    async def machines(self, owner: str) -> list[str]:
        found = await self.provider.list({"tryskills-owner": owner})
        return [machine.id for machine in found]


@pytest.fixture(scope="module")
async def platform(host: HostProcess, nats_url: str, mongodb_uri: str) -> AsyncIterator[Platform]:
    settings = _settings(host, nats_url, mongodb_uri)
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
        open_daytona(host.api_url, host.key) as sdk,
        RpcServer(nats, service=SERVICE) as server,
    ):
        await neighbours.serve_skills(server, bucket)
        await neighbours.serve_keys(server)
        provider = DaytonaProvider(sdk, guard)
        connections = Backbone(nats, jetstream, rpc, server, database)
        async with wired(settings, connections, provider, NoProbe()) as parts:
            await serve(settings, connections, parts)
            transfer = ObjectBucket(jetstream, TRANSFER_BUCKET)
            yield Platform(rpc, neighbours, provider, parts, database, transfer)
        for machine in await provider.list({"tryskills-deployment": settings.deployment_id}):
            await provider.delete(machine.id)
    await nats.close()
    await client.close()


def _settings(host: HostProcess, nats_url: str, mongodb_uri: str) -> Settings:
    return Settings.model_validate(
        {
            "NATS_URL": nats_url,
            "MONGODB_URI": mongodb_uri,
            "DEPLOYMENT_ID": "test",
            "DAYTONA_API_URL": host.api_url,
            "DAYTONA_API_KEY": host.key,
            "RELAY_PUBLIC_URL": "http://model-relay.internal:8090",
            "seal_key": SEAL_KEY,
            "preview_domains": f"proxy.localhost:{host.port}",
        }
    )
