"""What a run plays on: the real bus, store, chat-proxies and gateways, each a program that can be
killed and started again, and the agent of `chaos.agent`.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from common.testing.servers import free_port, is_listening, script

from chaos.agent import APPROVAL_S, Agent
from chaos.neighbours import READY

HERE = Path(__file__).parent
UP_S = 60.0
MOST = "1000000"


@dataclass
class Program:
    """It is up when `health`, a URL, answers 200, when its log `says` so once more, or when
    somebody listens on its port.
    """

    name: str
    command: Sequence[str]
    port: int
    environment: Mapping[str, str] = field(default_factory=dict)
    health: str = ""
    log: Path = Path(os.devnull)
    says: str = ""
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        said = self._times_said()
        with self.log.open("a") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command,
                env={**os.environ, **self.environment},
                cwd=HERE.parent,
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(UP_S):
            while not await self._is_up(said):
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """As the kernel does when memory is short."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
            self.process = None

    def _times_said(self) -> int:
        return self.log.read_text().count(self.says) if self.says and self.log.exists() else 0

    async def _is_up(self, said: int) -> bool:
        assert self.process is not None
        assert self.process.returncode is None, f"{self.name} has ended"
        if self.says:
            return self._times_said() > said
        if self.health:
            return await _answers(self.health)
        return await is_listening(self.port)


@dataclass
class Stage:
    agent: Agent
    bus: Program
    store: Program
    neighbours: Program
    proxies: list[Program]
    gateways: list[Program]
    common: Mapping[str, str]
    hermes_port: int
    folder: Path
    logs: Path

    @property
    def programs(self) -> list[Program]:
        return [self.bus, self.store, self.neighbours, *self.proxies, *self.gateways]


async def _answers(url: str) -> bool:
    async with aiohttp.ClientSession() as http:
        try:
            async with http.get(url) as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False


@asynccontextmanager
async def running(logs: Path | None = None) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        agent = await stack.enter_async_context(Agent())
        stage = _stage(agent, folder, logs or folder)
        for program in stage.programs:
            stack.push_async_callback(program.kill)
            await program.start()
        yield stage


def _stage(agent: Agent, folder: Path, logs: Path) -> Stage:
    bus_port, store_port = free_port(), free_port()
    nats_url, mongodb_uri = f"nats://127.0.0.1:{bus_port}", f"mongodb://127.0.0.1:{store_port}"
    common = {"NATS_URL": nats_url, "MONGODB_URI": mongodb_uri, "DEPLOYMENT_ID": "chaos"}
    hermes_port = free_port()
    ports = (agent.port, hermes_port)
    return Stage(
        agent=agent,
        bus=Program("bus", _bus(bus_port, folder), bus_port, log=logs / "bus.log"),
        store=Program("store", _store(store_port, folder), store_port, log=logs / "store.log"),
        neighbours=neighbours_of(nats_url, agent.port, logs),
        proxies=[_proxy(number, ports, common, logs) for number in range(2)],
        gateways=[_gateway(number, common, logs) for number in range(2)],
        common=common,
        hermes_port=hermes_port,
        folder=folder,
        logs=logs,
    )


def neighbours_of(nats_url: str, agent_port: int, logs: Path) -> Program:
    """Stand-ins that name this agent."""
    command = [sys.executable, "-m", "chaos.neighbours", nats_url, str(agent_port)]
    return Program("neighbours", command, 0, log=logs / "neighbours.log", says=READY)


def _bus(port: int, folder: Path) -> list[str]:
    directory = str(folder / "bus")
    return [script("nats-server"), "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", directory]


def _store(port: int, folder: Path) -> list[str]:
    command = [script("secantusd-py"), "--port", str(port), "--sync-on-commit"]
    return [*command, "--storage-path", str(folder / "store"), "--log-level", "ERROR"]


def _proxy(number: int, agents: Sequence[int], common: Mapping[str, str], logs: Path) -> Program:
    port = free_port()
    environment = {
        **common,
        "CHAT_PROXY_HEALTH_PORT": str(port),
        "CHAT_PROXY_PREVIEW_DOMAINS": ",".join(f"localhost:{port}" for port in agents),
        "CHAT_PROXY_TURNS_PER_OWNER": MOST,
        "CHAT_PROXY_APPROVAL_TTL": f"PT{int(APPROVAL_S) - 5}S",
        "CHAT_PROXY_AGENT_APPROVAL_TTL": f"PT{int(APPROVAL_S)}S",
    }
    return Program(
        f"chat-proxy-{number}",
        [sys.executable, "-m", "chat_proxy"],
        port,
        environment,
        f"http://127.0.0.1:{port}/readyz",
        logs / f"chat-proxy-{number}.log",
    )


def _gateway(number: int, common: Mapping[str, str], logs: Path) -> Program:
    port = free_port()
    environment = {
        "NATS_URL": common["NATS_URL"],
        "GATEWAY_PORT": str(port),
        "GATEWAY_REQUESTS_PER_MINUTE": MOST,
        "GATEWAY_ADDRESS_REQUESTS_PER_MINUTE": MOST,
        "GATEWAY_REQUESTS_AT_ONCE": MOST,
        "GATEWAY_OWNER_REQUESTS_AT_ONCE": MOST,
        "GATEWAY_STREAMS": MOST,
        "GATEWAY_OWNER_STREAMS": MOST,
    }
    return Program(
        f"gateway-{number}",
        [sys.executable, "-m", "gateway"],
        port,
        environment,
        f"http://127.0.0.1:{port}/readyz",
        logs / f"gateway-{number}.log",
    )
