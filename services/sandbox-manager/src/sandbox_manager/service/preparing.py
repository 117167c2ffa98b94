"""The parts that make a running sandbox ready, whichever path a launch takes.

None writes the record: each gives back what its caller has to write under its own right.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from common.clock import Clock

from sandbox_manager.errors import AgentLostError, InstallFailedError
from sandbox_manager.model.config import (
    AGENT_COMMAND,
    HERMES_HOME,
    OWN_FILES,
    RAW_COMMAND,
    raw_environment,
    render_environment,
)
from sandbox_manager.model.launch import Launch
from sandbox_manager.model.plan import AGENT_PORT, PREVIEW_TTL, RAW_PORT
from sandbox_manager.model.record import Installed, PreviewAccess
from sandbox_manager.model.sandbox import Sandbox, with_relay_token
from sandbox_manager.ports.inside import Agents, Inside
from sandbox_manager.ports.own import Sealer, Sleep
from sandbox_manager.ports.provider import SandboxProvider
from sandbox_manager.ports.services import Skills
from sandbox_manager.service.configuring import Configs, Wanted

AGENT_TOKEN = "agent_token"
RAW_KEY = "raw_key"

_CHECK = timedelta(seconds=2)
_FIRST_POLL_S = 0.05
_LONGEST_POLL_S = 0.25

Changes = dict[str, Any]


@dataclass(frozen=True)
class RelayToken:
    """What goes into the config, and what is kept: its hash."""

    text: str

    @classmethod
    def mint(cls) -> "RelayToken":
        return cls(f"tsr_{secrets.token_urlsafe(32)}")

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    def added_to(self, sandbox: Sandbox) -> tuple[str, ...]:
        return with_relay_token(sandbox.relay_tokens, self.sha256)


@dataclass(frozen=True)
class Preparation:
    provider: SandboxProvider
    inside: Inside
    agents: Agents
    skills: Skills
    configs: Configs
    sealer: Sealer
    clock: Clock
    agent_start: timedelta
    sleep: Sleep = asyncio.sleep

    def new_agent_token(self, owner_id: str) -> str:
        return new_agent_token(self.sealer, owner_id)

    def agent_token(self, sandbox: Sandbox) -> str:
        if sandbox.sealed_agent_token is None:
            message = "the sandbox has no agent yet"
            raise AgentLostError(message)
        return self.sealer.open(
            sandbox.sealed_agent_token, owner_id=sandbox.owner_id, field=AGENT_TOKEN
        )

    async def write_config(self, sandbox: Sandbox, wanted: Wanted, token: RelayToken) -> Changes:
        """config.yaml alone, which Hermes reads again by itself."""
        config = self.configs.config_file(wanted, token.text)
        await self.inside.configure(_id(sandbox), {f"{HERMES_HOME}/config.yaml": config})
        return _config_of(wanted)

    async def configure(
        self, sandbox: Sandbox, wanted: Wanted, token: RelayToken | None
    ) -> tuple[str, Changes]:
        """Everything an agent reads at its start, and a place to start it in; without a token
        config.yaml is right as it is.
        """
        files: Mapping[str, str] = {
            f"{OWN_FILES}/agent.env": await self.configs.environment_file(
                sandbox.owner_id, wanted.variables.given, self.agent_token(sandbox)
            )
        }
        if token is not None:
            config = self.configs.config_file(wanted, token.text)
            files = {**files, f"{HERMES_HOME}/config.yaml": config}
        process, _ = await asyncio.gather(
            self.inside.open_process(_id(sandbox)), self.inside.configure(_id(sandbox), files)
        )
        return process, {**_config_of(wanted), "environment_hash": wanted.environment_hash}

    async def start_agent(self, sandbox: Sandbox, process: str) -> Changes:
        await self.inside.start_process(_id(sandbox), process, "agent", AGENT_COMMAND)
        return {"agent_process": process}

    async def end_process(self, sandbox: Sandbox, process: str | None) -> None:
        if process is not None:
            await self.inside.end_process(_id(sandbox), process)

    async def sign(self, sandbox: Sandbox, port: int) -> PreviewAccess:
        """A signed URL good for an hour, sealed."""
        minted_at = self.clock()
        url = await self.provider.sign_preview(_id(sandbox), port, PREVIEW_TTL)
        sealed = self.sealer.seal(url, owner_id=sandbox.owner_id, field=f"preview_{port}")
        return PreviewAccess(sealed_url=sealed, minted_at=minted_at)

    def url(self, sandbox: Sandbox, port: int) -> str:
        access = sandbox.preview(port)
        if access is None:
            message = "the sandbox's agent has no address yet"
            raise AgentLostError(message)
        field = f"preview_{port}"
        return self.sealer.open(access.sealed_url, owner_id=sandbox.owner_id, field=field)

    async def is_agent_up(self, sandbox: Sandbox, within: timedelta = _CHECK) -> bool:
        if sandbox.sealed_agent_token is None or sandbox.preview(AGENT_PORT) is None:
            return False
        url, token = self.url(sandbox, AGENT_PORT), self.agent_token(sandbox)
        return await self.agents.is_agent_up(url, token, within=within)

    async def check_agent(self, sandbox: Sandbox) -> Changes:
        """See which version it is while it starts, and wait until it answers. Raises
        AgentLostError.
        """
        look = await self.inside.look(_id(sandbox), directory=None, workspace=None)
        deadline = self.clock() + self.agent_start
        pause_s = _FIRST_POLL_S
        while not await self.is_agent_up(sandbox):
            if self.clock() >= deadline:
                message = "the agent did not start in time"
                raise AgentLostError(message)
            await self.sleep(pause_s)
            pause_s = min(pause_s * 1.2, _LONGEST_POLL_S)
        return {"agent": look.agent}

    async def start_raw(self, sandbox: Sandbox) -> Changes:
        """Hermes' API server beside the agent, with a key of its own."""
        key = secrets.token_urlsafe(32)
        environment = render_environment(raw_environment(key, RAW_PORT))
        process, _ = await asyncio.gather(
            self.inside.open_process(_id(sandbox)),
            self.inside.configure(_id(sandbox), {f"{OWN_FILES}/raw.env": environment}),
        )
        await self.inside.start_process(_id(sandbox), process, "raw", RAW_COMMAND)
        sealed = self.sealer.seal(key, owner_id=sandbox.owner_id, field=RAW_KEY)
        return {"sealed_raw_key": sealed}

    def raw_key(self, sandbox: Sandbox) -> str:
        sealed = sandbox.sealed_raw_key or ""
        return self.sealer.open(sealed, owner_id=sandbox.owner_id, field=RAW_KEY)

    async def is_raw_up(self, sandbox: Sandbox) -> bool:
        if sandbox.sealed_raw_key is None or sandbox.preview(RAW_PORT) is None:
            return False
        url, key = self.url(sandbox, RAW_PORT), self.raw_key(sandbox)
        return await self.agents.is_raw_up(url, key, within=_CHECK)

    async def wait_for_raw(self, sandbox: Sandbox) -> None:
        deadline = self.clock() + self.agent_start
        while not await self.is_raw_up(sandbox):
            if self.clock() >= deadline:
                message = "the agent's API server did not start in time"
                raise AgentLostError(message)
            await self.sleep(_LONGEST_POLL_S)

    async def fetch(self, launch: Launch) -> bytes:
        return await self.skills.bundle(launch.skill.digest)

    async def install(self, sandbox: Sandbox, launch: Launch, bundle: bytes) -> Installed:
        """Raises InstallFailedError when other bytes lie there than were sent."""
        found = await self.inside.install(_id(sandbox), launch.skill, bundle)
        if found != launch.skill.digest:
            message = "the files in the sandbox are not the skill that was asked"
            raise InstallFailedError(message)
        return Installed(skill=launch.skill, variables=launch.variables, installed_at=self.clock())


def new_agent_token(sealer: Sealer, owner_id: str) -> str:
    """A fresh token for the agent, sealed."""
    return sealer.seal(secrets.token_urlsafe(32), owner_id=owner_id, field=AGENT_TOKEN)


def _config_of(wanted: Wanted) -> Changes:
    """What the record says of a config that was written."""
    return {"config_hash": wanted.config_hash, "staged_hash": None, "choice": wanted.choice}


def _id(sandbox: Sandbox) -> str:
    if sandbox.provider_id is None:
        message = "there is no sandbox yet"
        raise AgentLostError(message)
    return sandbox.provider_id
