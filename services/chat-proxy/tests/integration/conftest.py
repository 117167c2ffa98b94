"""A real Hermes with a scripted model, the real bus and store, and stand-ins for the two services
that chat-proxy asks.
"""

import asyncio
import base64
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from chat_proxy.adapters.hermes.agents import HermesAgents
from chat_proxy.adapters.mongo import collections
from chat_proxy.main import outside_of, serve
from chat_proxy.reconcilers import TakeoverReconciler
from chat_proxy.service.outside import Outside
from chat_proxy.service.runners import Runners
from chat_proxy.service.takeover import Takeover
from chat_proxy.settings import Settings
from common import mongo
from common.clock import utc_now
from common.contracts import chat, sandbox, skills
from common.contracts.base import Empty
from common.errors import ErrorCode, NotFoundError, UnavailableError
from common.ids import new_id
from common.messaging.connection import connect
from common.messaging.journal import Journal
from common.messaging.rpc import RpcClient, RpcServer
from common.preview import PreviewGuard, open_agent_http
from common.running import Backbone
from common.testing.servers import free_port
from nats.aio.client import Client
from pydantic import SecretStr

ROOT = Path(__file__).parents[4]
TOKEN = "agent-token"
OWNER = "own_" + "a" * 20
DIGEST = "sha256:" + "1" * 64
SKILL_TEXT = "---\nname: count-words\n---\nRun `${HERMES_SKILL_DIR}/scripts/count.py`."
_UP_S = 60.0


@dataclass
class Hermes:
    """A `hermes serve` of its own, with its home below `directory`."""

    program: list[str]
    directory: Path
    model_url: str
    port: int = 0
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://9119-agent.localhost:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        # The preview proxy of a real sandbox does this: Hermes answers only to loopback names.
        return {"Host": f"127.0.0.1:{self.port}"}

    async def start(self) -> None:
        home = self.directory / "home"
        home.mkdir(parents=True, exist_ok=True)
        (self.directory / "work").mkdir(exist_ok=True)
        (home / "config.yaml").write_text(_CONFIG.format(url=self.model_url, home=home))
        self.port = self.port or free_port()
        environment = {
            "HOME": str(self.directory),
            "HERMES_HOME": str(home),
            "HERMES_DASHBOARD_SESSION_TOKEN": TOKEN,
            "HERMES_TUI_TOOL_PROGRESS": "verbose",
            "PATH": os.environ["PATH"],
        }
        arguments = ["serve", "--host", "127.0.0.1", "--port", str(self.port), "--skip-build"]
        self.process = await asyncio.create_subprocess_exec(
            *self.program,
            *arguments,
            env=environment,
            cwd=self.directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        await listening(self.port)

    def forget(self) -> None:
        """Lose everything it remembers, as a new sandbox does."""
        shutil.rmtree(self.directory / "home")

    async def kill(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
            self.process = None


_CONFIG = """\
model:
  default: demo
  provider: custom
  base_url: "{url}/v1"
  api_key: none
  context_length: 131072
  max_tokens: 8192
approvals: {{mode: manual, timeout: 300}}
terminal: {{backend: local}}
platform_toolsets: {{cli: [terminal, file, skills, todo, code_execution]}}
platform_hints: {{tui: {{replace: "Markdown is rendered."}}}}
memory: {{nudge_interval: 0}}
skills: {{creation_nudge_interval: 0}}
security: {{tirith_enabled: false, allow_lazy_installs: false}}
"""


async def listening(port: int) -> None:
    async with asyncio.timeout(_UP_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


@pytest.fixture(scope="session")
def hermes_program() -> list[str]:
    """Hermes of a prepared sandbox root, or of HERMES_ENVIRONMENT."""
    given = os.environ.get("HERMES_ENVIRONMENT")
    if given:
        return [str(Path(given) / "bin" / "python"), "-m", "hermes_cli.main"]
    roots = ROOT / ".local" / "daytona" / "roots"
    found = sorted(roots.glob("hermes-*/hermes/bin/python"))
    if not found:
        environment = {**os.environ, "LOCAL_DAYTONA_API_KEY": "not-needed-here"}
        command = [sys.executable, "-m", "local_platform.daytona", "prepare"]
        subprocess.run(command, check=True, cwd=ROOT, env=environment, capture_output=True)
        found = sorted(roots.glob("hermes-*/hermes/bin/python"))
    return [str(found[-1]), "-m", "hermes_cli.main"]


@pytest.fixture(scope="session")
async def model_url() -> AsyncIterator[str]:
    """The demo model: it does what markers in a prompt say."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "local_platform.demo_model",
        env={**os.environ, "DEMO_MODEL_PORT": str(port), "DEMO_MODEL_RECORD": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    await listening(port)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    await process.wait()


@pytest.fixture(scope="session")
async def hermes(
    hermes_program: list[str], model_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Hermes]:
    directory = tmp_path_factory.mktemp("hermes")
    own = Hermes(hermes_program, directory, model_url)
    await own.start()
    yield own
    await own.kill()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
async def own_hermes(
    hermes_program: list[str], model_url: str, tmp_path: Path
) -> AsyncIterator[Hermes]:
    """One for a single test, to be killed."""
    own = Hermes(hermes_program, tmp_path, model_url)
    await own.start()
    yield own
    await own.kill()


@dataclass
class Neighbours:
    """sandbox-manager and skill-resolver as chat-proxy knows them."""

    hermes: Hermes
    launches: dict[str, sandbox.Launch] = field(default_factory=dict)
    acquired: list[sandbox.AcquireAgent] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    released: list[str] = field(default_factory=list)

    def launch(self) -> sandbox.Launch:
        skill = sandbox.LaunchSkill(
            ref="acme/tools/count-words",
            owner="acme",
            repo="tools",
            commit="c" * 40,
            path="skills/count-words",
            name="count-words",
            digest=DIGEST,
            directory="acme--tools--count-words",
        )
        launch = sandbox.Launch(
            id=new_id("lau"),
            ref=skill.ref,
            path=sandbox.LaunchPath.INSTANT,
            state=sandbox.LaunchState.READY,
            phases=[],
            skill=skill,
            created_at=utc_now(),
        )
        self.launches[launch.id] = launch
        return launch

    async def get_launch(self, request: sandbox.GetLaunch) -> sandbox.Launch:
        if request.launch_id not in self.launches or request.owner_id != OWNER:
            raise NotFoundError("no such launch", code=ErrorCode.LAUNCH_NOT_FOUND)
        return self.launches[request.launch_id]

    async def acquire(self, request: sandbox.AcquireAgent) -> sandbox.AgentEndpoint:
        self.acquired.append(request)
        headers = {name: SecretStr(value) for name, value in self.hermes.headers.items()}
        workspace = self.hermes.directory / "work"
        return sandbox.AgentEndpoint(
            use_lease_id=new_id("use"),
            expires_at=utc_now() + timedelta(minutes=2),
            sandbox_id="sandbox-1",
            url=SecretStr(self.hermes.url),
            headers=headers,
            token=SecretStr(TOKEN),
            workspace=str(workspace),
            skill_directory=f"/home/daytona/skills/{request.skill_directory}",
            provider="demo",
            model="demo",
        )

    async def renew(self, request: sandbox.RenewUse) -> sandbox.UseLease:
        self.renewed.append(request.use_lease_id)
        return sandbox.UseLease(
            use_lease_id=request.use_lease_id, expires_at=utc_now() + timedelta(minutes=2)
        )

    async def release(self, request: sandbox.ReleaseUse) -> Empty:
        self.released.append(request.use_lease_id)
        return Empty()

    async def read_file(self, request: skills.ReadSkillFile) -> skills.SkillFileContent:
        content = base64.b64encode(SKILL_TEXT.encode()).decode()
        return skills.SkillFileContent(
            path=request.path, size=len(SKILL_TEXT), mode=0o644, content_base64=content
        )


@pytest.fixture
async def neighbours(hermes: Hermes, nats_url: str) -> AsyncIterator[Neighbours]:
    own = Neighbours(hermes)
    connection = await connect(nats_url, "neighbours")
    async with (
        RpcServer(connection, service="sandbox-manager") as sandboxes,
        RpcServer(connection, service="skill-resolver") as resolver,
    ):
        await sandboxes.serve(sandbox.GET_LAUNCH, own.get_launch)
        await sandboxes.serve(sandbox.ACQUIRE_AGENT, own.acquire)
        await sandboxes.serve(sandbox.RENEW_USE, own.renew)
        await sandboxes.serve(sandbox.RELEASE_USE, own.release)
        await resolver.serve(skills.READ_SKILL_FILE, own.read_file)
        yield own
    await connection.close()


@dataclass
class Process:
    """One chat-proxy inside the test's process."""

    outside: Outside
    runners: Runners
    takeover: TakeoverReconciler
    stack: AsyncExitStack
    connection: Client

    async def stop(self) -> None:
        """As at SIGTERM."""
        await self.runners.hand_over()
        await self.stack.aclose()
        await self.connection.close()


@dataclass
class Platform:
    """Chat-proxy processes and a caller of theirs."""

    nats_url: str
    database: mongo.Database
    neighbours: Neighbours
    rpc: RpcClient
    journal: Journal
    mongodb_uri: str
    processes: list[Process] = field(default_factory=list)
    spawned: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self, **settings: Any) -> Process:
        stack = AsyncExitStack()
        connection = await connect(self.nats_url, "chat-proxy")
        server = await stack.enter_async_context(RpcServer(connection, service="chat-proxy"))
        backbone = Backbone(
            connection, connection.jetstream(), RpcClient(connection), server, self.database
        )
        http = await stack.enter_async_context(open_agent_http())
        domain = f"localhost:{self.neighbours.hermes.port}"
        agents = HermesAgents(http, PreviewGuard((domain,)))
        stack.push_async_callback(agents.close)
        own = Settings.model_construct(**{**_SETTINGS, **settings})
        outside = outside_of(own, backbone, agents)
        runners = Runners(outside)
        await serve(backbone, outside, runners)
        await self.rpc_ready()
        takeover = TakeoverReconciler(Takeover(outside, runners))
        process = Process(outside, runners, takeover, stack, connection)
        self.processes.append(process)
        return process

    async def spawn(self) -> asyncio.subprocess.Process:
        """A process of the operating system, to be killed."""
        port = free_port()
        environment = {
            **os.environ,
            "NATS_URL": self.nats_url,
            "MONGODB_URI": self.mongodb_uri,
            "DEPLOYMENT_ID": "test",
            "CHAT_PROXY_HEALTH_PORT": str(port),
            "CHAT_PROXY_PREVIEW_DOMAINS": f"localhost:{self.neighbours.hermes.port}",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "chat_proxy", env=environment
        )
        self.spawned.append(process)
        await self.rpc_ready()
        return process

    async def rpc_ready(self) -> None:
        """Until the endpoint served last answers."""
        nobody = chat.AnswerApproval(
            owner_id=OWNER, session_id="", approval_id="", choice=chat.ApprovalChoice.DENY
        )
        async with asyncio.timeout(_UP_S):
            while True:
                try:
                    await self.rpc.call(chat.ANSWER_APPROVAL, nobody)
                except UnavailableError:
                    await asyncio.sleep(0.05)
                except NotFoundError:
                    return

    async def let_claims_run_out(self) -> None:
        past = utc_now() - timedelta(seconds=1)
        await self.database["turns"].update_many({}, {"$set": {"claim.until": past}})

    async def session(self) -> chat.Session:
        launch = self.neighbours.launch()
        return await self.rpc.call(
            chat.CREATE_SESSION, chat.CreateSession(owner_id=OWNER, launch_id=launch.id)
        )

    async def say(self, session: chat.Session, text: str) -> chat.Turn:
        return await self.rpc.call(
            chat.START_TURN, chat.StartTurn(owner_id=OWNER, session_id=session.id, text=text)
        )

    async def turn(self, turn: chat.Turn) -> chat.Turn:
        request = chat.TurnRequest(owner_id=OWNER, session_id=turn.session_id, turn_id=turn.id)
        return await self.rpc.call(chat.GET_TURN, request)

    async def ended(self, turn: chat.Turn, *, within: float = 30) -> chat.Turn:
        """The turn, once it has ended."""
        async with asyncio.timeout(within):
            while (now := await self.turn(turn)).ended_at is None:
                await asyncio.sleep(0.02)
        return now

    async def entries(self, session_id: str, after: int = 0) -> list[chat.JournalEntry]:
        found: list[chat.JournalEntry] = []
        while True:
            request = chat.Attach(owner_id=OWNER, session_id=session_id, after=after)
            page = await self.rpc.call(chat.ATTACH, request)
            found += page.entries
            if not page.more:
                return found
            after = page.entries[-1].seq

    async def entry(self, session_id: str, type_: str, *, within: float = 30) -> Any:
        """The first entry of this type, once it is there."""
        async with asyncio.timeout(within):
            while True:
                for entry in await self.entries(session_id):
                    if entry.type == type_:
                        return entry
                await asyncio.sleep(0.02)


_SETTINGS: dict[str, Any] = {
    name: field.get_default() for name, field in Settings.model_fields.items() if not field.is_required()
}


@pytest.fixture
async def platform(
    nats_url: str, nats_connection: Client, mongodb_uri: str, neighbours: Neighbours
) -> AsyncIterator[Platform]:
    client = mongo.open_client(mongodb_uri)
    database = mongo.database_of(client, "chat-proxy")
    await client.drop_database(database.name)
    await mongo.ensure_indexes(database, collections.INDEXES)
    journal = Journal(nats_connection, nats_connection.jetstream())
    own = Platform(
        nats_url, database, neighbours, RpcClient(nats_connection), journal, mongodb_uri
    )
    yield own
    for spawned in own.spawned:
        with contextlib.suppress(ProcessLookupError):
            spawned.kill()
        await spawned.wait()
    for process in own.processes:
        await process.stop()
    await client.close()
