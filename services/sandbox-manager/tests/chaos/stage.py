"""What the chaos runs play on: the real bus, store, sandbox host and Hermes, and processes of the
service that can be killed.
"""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from chaos.lossy import Lossy
from common.contracts import sandbox as wire
from common.errors import AppError
from common.ids import new_id
from common.messaging.connection import connect
from common.messaging.objects import ObjectBucket
from common.messaging.rpc import RpcClient, RpcServer
from common.messaging.streams import ensure_streams
from common.preview import PreviewGuard
from common.testing.servers import free_port, mongo_server, nats_server
from local_platform.daytona.testing import HostProcess
from sandbox_fakes.neighbours import Neighbours
from sandbox_manager.adapters.daytona.provider import DaytonaProvider, open_daytona
from sandbox_manager.model.provided import ProvidedSandbox, ProvidedState

HERE = Path(__file__).parent
ROOTS = HERE.parents[3] / ".local" / "daytona" / "roots"
CLAIM_S = 3
RECONCILE_S = 3
END_S = 90
FIRST, SECOND = "acme/tools/first", "acme/tools/second"

AGREED = {
    wire.SandboxState.ACTIVE: ProvidedState.STARTED,
    wire.SandboxState.STOPPED: ProvidedState.STOPPED,
}


@dataclass
class Count:
    """`lost`: records whose sandbox is not there."""

    cases: int = 0
    created: int = 0
    left_over: int = 0
    doubled: int = 0
    without_end: int = 0
    out_of_order: int = 0
    lost: int = 0
    clean_failures: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        bad = self.left_over + self.doubled + self.without_end + self.out_of_order + self.lost
        return bad == 0 and not self.problems


@dataclass
class World:
    rpc: RpcClient
    provider: DaytonaProvider
    lossy: Lossy
    zygote: subprocess.Popen[str]
    environment: dict[str, str]
    neighbours: Neighbours

    async def service(self, kill_at: tuple[str, str] | None = None) -> int:
        """Start one process of the service; it answers when this returns."""
        port = free_port()
        environment = self.environment | {"SANDBOX_MANAGER_HEALTH_PORT": str(port)}
        asked = json.dumps({"environment": environment, "kill_at": kill_at and list(kill_at)})
        assert self.zygote.stdin is not None
        assert self.zygote.stdout is not None
        self.zygote.stdin.write(f"{asked}\n")
        self.zygote.stdin.flush()
        pid = int(await asyncio.to_thread(self.zygote.stdout.readline))
        async with asyncio.timeout(END_S), aiohttp.ClientSession() as http:
            while not await _is_ready(http, port):
                await asyncio.sleep(0.05)
        return pid

    async def launch(self, owner: str, ref: str, key: str | None = None) -> wire.Launch | None:
        request = wire.StartLaunch(owner_id=owner, ref=ref, idempotency_key=key or new_id("key"))
        try:
            return await self.rpc.call(wire.START_LAUNCH, request)
        except AppError:
            return None

    async def ended(self, owner: str, launch: wire.Launch | None) -> wire.Launch | None:
        """None when it does not end."""
        if launch is None:
            return None
        request = wire.GetLaunch(owner_id=owner, launch_id=launch.id)
        try:
            async with asyncio.timeout(END_S):
                while launch.ended_at is None:
                    await asyncio.sleep(0.1)
                    launch = await self.rpc.call(wire.GET_LAUNCH, request)
        except TimeoutError:
            return None
        return launch

    async def ready(self, owner: str, ref: str) -> wire.Launch:
        """A launch that nothing disturbs."""
        ended = await self.ended(owner, await self.launch(owner, ref))
        assert ended is not None
        assert ended.state is wire.LaunchState.READY, ended.error
        return ended

    async def stop(self, owner: str) -> None:
        await self.rpc.call(wire.STOP_SANDBOX, wire.OwnerRequest(owner_id=owner))

    async def entries(self, owner: str, launch: wire.Launch) -> list[int]:
        request = wire.GetLaunchEntries(owner_id=owner, launch_id=launch.id)
        answer = await self.rpc.call(wire.GET_LAUNCH_ENTRIES, request)
        return [entry.seq for entry in answer.entries]

    async def sandbox(self, owner: str) -> wire.Sandbox:
        return await self.rpc.call(wire.GET_SANDBOX, wire.OwnerRequest(owner_id=owner))

    async def machines(self, owner: str) -> list[ProvidedSandbox]:
        return list(await self.provider.list({"tryskills-owner": owner}))

    async def is_settled(self, owner: str) -> bool:
        """Whether record and provider come to agree within a few looks."""
        for _ in range(10 * RECONCILE_S * 4):
            machines, sandbox = await self.machines(owner), await self.sandbox(owner)
            if sandbox.state is wire.SandboxState.ABSENT and not machines:
                return True
            wanted = AGREED.get(sandbox.state)
            if [(one.id, one.state) for one in machines] == [(sandbox.sandbox_id, wanted)]:
                return True
            await asyncio.sleep(0.1)
        return False

    async def clear(self, owner: str) -> None:
        """Delete what a case made, whatever the service thinks."""
        for machine in await self.machines(owner):
            await self.provider.delete(machine.id)

    async def judge(self, owner: str, count: Count, name: str) -> None:
        """Count what a case left of its owner's sandboxes."""
        is_settled = await self.is_settled(owner)
        machines, sandbox = await self.machines(owner), await self.sandbox(owner)
        ids = [machine.id for machine in machines]
        count.cases += 1
        count.created += len(ids)
        count.doubled += max(len(ids) - 1, 0)
        count.left_over += sum(one != sandbox.sandbox_id for one in ids)
        count.lost += sandbox.sandbox_id is not None and sandbox.sandbox_id not in ids
        if not is_settled:
            count.problems.append(f"{name}: record says {sandbox.state}, provider {machines}")

    async def judge_launch(
        self, owner: str, launch: wire.Launch | None, count: Count, name: str
    ) -> None:
        """As `judge`, and how the launch ended."""
        await self.judge(owner, count, name)
        count.without_end += launch is None
        if launch is None:
            return
        if launch.state is not wire.LaunchState.READY:
            count.clean_failures += 1
            count.problems.append(f"{name}: {launch.state} {launch.error}")
        numbers = await self.entries(owner, launch)
        count.out_of_order += numbers != list(range(1, len(numbers) + 1))


async def _is_ready(http: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with http.get(f"http://127.0.0.1:{port}/readyz") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


def end(pid: int, number: int = signal.SIGTERM) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


async def gone(pid: int) -> bool:
    """Whether the process has ended within a while."""
    for _ in range(600):
        if not Path(f"/proc/{pid}").exists():
            return True
        await asyncio.sleep(0.05)
    return False


@asynccontextmanager
async def running() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        for name in ("nats", "mongo", "daytona"):
            (folder / name).mkdir()
        nats_url = await stack.enter_async_context(nats_server(folder / "nats"))
        mongodb_uri = await stack.enter_async_context(mongo_server(folder / "mongo"))
        host = HostProcess(folder / "daytona", settings={"LOCAL_DAYTONA_ROOTS_DIR": str(ROOTS)})
        host.start()
        stack.callback(host.stop)
        lossy = await stack.enter_async_context(Lossy(host.port))
        nats = await connect(nats_url, "chaos")
        stack.push_async_callback(nats.close)
        await ensure_streams(nats.jetstream())
        server = await stack.enter_async_context(RpcServer(nats, service="neighbours"))
        neighbours = Neighbours()
        neighbours.add(FIRST, {"SKILL.md": "---\nname: first\ndescription: d\n---\n"})
        neighbours.add(SECOND, {"SKILL.md": "---\nname: second\ndescription: d\n---\n"})
        await neighbours.serve_skills(server, ObjectBucket(nats.jetstream(), "skill-bundles"))
        await neighbours.serve_keys(server)
        await nats.flush()
        sdk = await stack.enter_async_context(open_daytona(host.api_url, host.key))
        zygote = subprocess.Popen(
            [sys.executable, str(HERE / "zygote.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stack.enter_context((folder / "services.log").open("w")),
            text=True,
        )
        stack.callback(zygote.wait)
        stack.callback(zygote.kill)
        environment = {
            "NATS_URL": nats_url,
            "MONGODB_URI": mongodb_uri,
            "DEPLOYMENT_ID": "chaos",
            "DAYTONA_API_URL": f"http://127.0.0.1:{lossy.port}/api",
            "DAYTONA_API_KEY": host.key,
            "RELAY_PUBLIC_URL": "http://model-relay.internal:8090",
            "SANDBOX_MANAGER_SEAL_KEY": base64.b64encode(os.urandom(32)).decode(),
            "SANDBOX_MANAGER_PREVIEW_DOMAINS": f"proxy.localhost:{host.port}",
            "SANDBOX_MANAGER_CLAIM_TTL": f"PT{CLAIM_S}S",
            "SANDBOX_MANAGER_RECONCILE_EVERY": f"PT{RECONCILE_S}S",
            "SANDBOX_MANAGER_ORPHAN_GRACE": "PT0S",
        }
        provider = DaytonaProvider(sdk, PreviewGuard())
        yield World(RpcClient(nats), provider, lossy, zygote, environment, neighbours)
