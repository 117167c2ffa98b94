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
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from common.clock import utc_now
from common.contracts import sandbox, skills
from common.contracts.base import Empty
from common.errors import ErrorCode, NotFoundError
from common.ids import new_id
from common.messaging.connection import connect
from common.messaging.rpc import RpcServer
from common.testing.servers import free_port, listening
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
        await listening(self.port, within_s=_UP_S)

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
    await listening(port, within_s=_UP_S)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    await process.wait()


@pytest.fixture(scope="session")
def make_hermes(hermes_program: list[str]) -> Callable[[Path, str], Hermes]:
    """One with a model of the test's own."""
    return lambda directory, model_url: Hermes(hermes_program, directory, model_url)


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
        workspace = self.hermes.directory / "work" / request.session_id
        workspace.mkdir(exist_ok=True)
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
    async with served(Neighbours(hermes), nats_url) as own:
        yield own


@pytest.fixture
def serve_neighbours(hermes: Hermes) -> Callable[[str], AbstractAsyncContextManager[Neighbours]]:
    """The same on another bus."""
    return lambda nats_url: served(Neighbours(hermes), nats_url)


@asynccontextmanager
async def served(own: Neighbours, nats_url: str) -> AsyncIterator[Neighbours]:
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
