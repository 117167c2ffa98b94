"""Kill sandbox-manager before and after each step of a launch, and count what is left.

    python services/sandbox-manager/tests/chaos/killed.py [bench/results/chaos.json]

The cases come from the table of steps. Each one: a process that kills itself there, a launch sent
to it, a successor; then the launch must have ended, with at most one sandbox at the provider, and
that one recorded. Everything is real: bus, store, sandbox host, Hermes.
"""

import asyncio
import importlib.util
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
from typing import Any

import aiohttp
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
from sandbox_manager.adapters.daytona.provider import DaytonaProvider, open_daytona
from sandbox_manager.model.steps import STEPS

HERE = Path(__file__).parent
CLAIM_S = 3
END_S = 90
FIRST, SECOND = "acme/tools/first", "acme/tools/second"
CASES = [
    (path, step, moment)
    for path in (wire.LaunchPath.CREATE, wire.LaunchPath.INSTALL)
    for step in STEPS[path]
    for moment in ("before", "after")
]


def integration() -> Any:
    """The stand-ins of the integration tests."""
    place = HERE.parent / "integration" / "conftest.py"
    spec = importlib.util.spec_from_file_location("integration_conftest", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@dataclass
class Count:
    cases: int = 0
    created: int = 0
    left_over: int = 0
    doubled: int = 0
    without_end: int = 0
    out_of_order: int = 0
    lost: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        bad = self.left_over + self.doubled + self.without_end + self.out_of_order + self.lost
        return bad == 0


@dataclass
class World:
    rpc: RpcClient
    provider: DaytonaProvider
    zygote: subprocess.Popen[str]
    environment: dict[str, str]

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

    async def launch(self, owner: str, ref: str, key: str) -> wire.Launch | None:
        request = wire.StartLaunch(owner_id=owner, ref=ref, idempotency_key=key)
        try:
            return await self.rpc.call(wire.START_LAUNCH, request)
        except AppError:
            return None

    async def ended(self, owner: str, launch: wire.Launch) -> wire.Launch | None:
        request = wire.GetLaunch(owner_id=owner, launch_id=launch.id)
        try:
            async with asyncio.timeout(END_S):
                while launch.ended_at is None:
                    await asyncio.sleep(0.1)
                    launch = await self.rpc.call(wire.GET_LAUNCH, request)
        except TimeoutError:
            return None
        return launch

    async def entries(self, owner: str, launch: wire.Launch) -> list[int]:
        request = wire.GetLaunchEntries(owner_id=owner, launch_id=launch.id)
        answer = await self.rpc.call(wire.GET_LAUNCH_ENTRIES, request)
        return [entry.seq for entry in answer.entries]

    async def sandbox(self, owner: str) -> wire.Sandbox:
        return await self.rpc.call(wire.GET_SANDBOX, wire.OwnerRequest(owner_id=owner))

    async def machines(self, owner: str) -> list[str]:
        return [one.id for one in await self.provider.list({"tryskills-owner": owner})]


async def _is_ready(http: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with http.get(f"http://127.0.0.1:{port}/readyz") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


def end(pid: int, number: int) -> None:
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


async def one_case(world: World, case: tuple[Any, str, str], count: Count) -> None:
    path, step, moment = case
    owner, key = new_id("own"), new_id("key")
    if path is wire.LaunchPath.INSTALL:
        await _prepared(world, owner)
    victim = await world.service((step, moment))
    await world.launch(owner, SECOND, key)
    was_killed = await gone(victim)
    end(victim, signal.SIGKILL)
    successor = await world.service()
    launch = await world.launch(owner, SECOND, key)
    ended = await world.ended(owner, launch) if launch is not None else None
    await _judge(world, owner, ended, count)
    count.cases += 1
    if not was_killed:
        count.failed.append(f"{path} {moment} {step}: the process was not killed there")
    if ended is None or ended.state is not wire.LaunchState.READY:
        count.failed.append(f"{path} {moment} {step}: {ended.error if ended else 'no end'}")
    for machine in await world.machines(owner):
        await world.provider.delete(machine)
    end(successor, signal.SIGTERM)
    await gone(successor)


async def _prepared(world: World, owner: str) -> None:
    """A stopped sandbox with another skill in it: an install has most to do there."""
    helper = await world.service()
    launch = await world.launch(owner, FIRST, new_id("key"))
    assert launch is not None
    assert await world.ended(owner, launch) is not None
    await world.rpc.call(wire.STOP_SANDBOX, wire.OwnerRequest(owner_id=owner))
    end(helper, signal.SIGTERM)
    assert await gone(helper)


async def _judge(world: World, owner: str, ended: wire.Launch | None, count: Count) -> None:
    machines, sandbox = await world.machines(owner), await world.sandbox(owner)
    count.created += len(machines)
    count.doubled += max(len(machines) - 1, 0)
    count.left_over += sum(machine != sandbox.sandbox_id for machine in machines)
    count.lost += sandbox.sandbox_id is not None and sandbox.sandbox_id not in machines
    count.without_end += ended is None
    if ended is not None:
        numbers = await world.entries(owner, ended)
        count.out_of_order += numbers != list(range(1, len(numbers) + 1))


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[World]:
    tests = integration()
    async with AsyncExitStack() as stack:
        nats_url = await stack.enter_async_context(nats_server(folder / "nats"))
        mongodb_uri = await stack.enter_async_context(mongo_server(folder / "mongo"))
        (folder / "daytona").mkdir()
        host = HostProcess(
            folder / "daytona", settings={"LOCAL_DAYTONA_ROOTS_DIR": str(tests.ROOTS)}
        )
        host.start()
        stack.callback(host.stop)
        nats = await connect(nats_url, "chaos")
        stack.push_async_callback(nats.close)
        await ensure_streams(nats.jetstream())
        server = await stack.enter_async_context(RpcServer(nats, service="neighbours"))
        neighbours = tests.Neighbours()
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
            stderr=(folder / "services.log").open("w"),
            text=True,
        )
        stack.callback(zygote.wait)
        stack.callback(zygote.kill)
        environment = {
            "NATS_URL": nats_url,
            "MONGODB_URI": mongodb_uri,
            "DEPLOYMENT_ID": "chaos",
            "DAYTONA_API_URL": host.api_url,
            "DAYTONA_API_KEY": host.key,
            "RELAY_PUBLIC_URL": "http://model-relay.internal:8090",
            "SANDBOX_MANAGER_SEAL_KEY": tests.SEAL_KEY,
            "SANDBOX_MANAGER_PREVIEW_DOMAINS": f"proxy.localhost:{host.port}",
            "SANDBOX_MANAGER_CLAIM_TTL": f"PT{CLAIM_S}S",
        }
        provider = DaytonaProvider(sdk, PreviewGuard())
        yield World(RpcClient(nats), provider, zygote, environment)


async def all_cases(wanted: str) -> Count:
    count = Count()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        async with running(Path(folder)) as world:
            for case in CASES:
                name = f"{case[0]} {case[2]} {case[1]}"
                if wanted not in name:
                    continue
                await one_case(world, case, count)
                sys.stdout.write(f"{name}: {'clean' if count.is_clean else count}\n")
                sys.stdout.flush()
    return count


def main(arguments: list[str]) -> int:
    target = Path(arguments[0]) if arguments else None
    count = asyncio.run(all_cases(arguments[1] if len(arguments) > 1 else ""))
    result = {name: value for name, value in vars(count).items() if name != "failed"}
    sys.stdout.write(f"{json.dumps(result)}\n")
    for line in count.failed:
        sys.stdout.write(f"not ready: {line}\n")
    if target is not None:
        target.write_text(json.dumps(result, indent=2) + "\n")
    return 0 if count.is_clean and not count.failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
