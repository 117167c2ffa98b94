"""Building the snapshot that sandboxes are made from, and checking what it is."""

import asyncio
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from common.clock import Clock
from common.errors import AppError

from sandbox_manager.model.config import (
    AGENT_COMMAND,
    OWN_FILES,
    agent_environment,
    render_environment,
)
from sandbox_manager.model.plan import AGENT_PORT
from sandbox_manager.model.provided import DEPLOYMENT_LABEL
from sandbox_manager.model.recipe import MANAGED_PLACE, Recipe, next_name
from sandbox_manager.ports.inside import Agents, Inside
from sandbox_manager.ports.own import Sleep
from sandbox_manager.ports.provider import (
    Retention,
    SandboxOrder,
    SandboxProvider,
    SnapshotBuilder,
    Source,
)
from sandbox_manager.ports.stores import SnapshotPointer

Tell = Callable[[str], object]

_AN_HOUR = Retention(timedelta(hours=1), timedelta(hours=1), timedelta(hours=1))
_CHECK = timedelta(seconds=2)
_POLL_S = 0.2


@dataclass(frozen=True)
class SnapshotCare:
    deployment_id: str
    configured: str
    hermes: str
    recipe: Recipe
    builder: SnapshotBuilder
    provider: SandboxProvider
    inside: Inside
    agents: Agents
    pointer: SnapshotPointer
    agent_start: timedelta
    clock: Clock
    sleep: Sleep = asyncio.sleep

    async def build(self, tell: Tell) -> bool:
        """Build under a new name, check it, switch to it, delete the one before it."""
        before = await self.current()
        name = next_name(self.configured, self.clock())
        tell(f"building {name}")
        await self.builder.build(name, self.recipe, tell)
        if not await self.check(tell, name):
            tell(f"{name} is not what it should be; {before} stays in use")
            await self.builder.delete(name)
            return False
        await self.pointer.point_to(name)
        tell(f"new sandboxes are made from {name}")
        if before != self.configured:
            await self.builder.delete(before)
            tell(f"deleted {before}")
        return True

    async def current(self) -> str:
        return await self.pointer.current() or self.configured

    async def check(self, tell: Tell, name: str | None = None) -> bool:
        """Make a sandbox from it, look, and delete the sandbox again."""
        snapshot = name or await self.current()
        order = SandboxOrder(
            name=f"tryskills-check-{secrets.token_hex(6)}",
            source=Source.SNAPSHOT,
            image=snapshot,
            labels={DEPLOYMENT_LABEL: self.deployment_id},
            retention=_AN_HOUR,
        )
        made = await self.provider.create(order)
        try:
            results = await self._facts(made.id)
            results["the agent answers"] = await self._starts(made.id)
        finally:
            await self.provider.delete(made.id)
        for fact, holds in results.items():
            tell(f"{'ok  ' if holds else 'FAIL'} {fact}")
        return all(results.values())

    async def _facts(self, sandbox_id: str) -> dict[str, bool]:
        version = self.hermes.rpartition("==")[2]
        user = await self._output(sandbox_id, "id -u")
        owners = await self._output(
            sandbox_id, f"stat -c %u {MANAGED_PLACE} {MANAGED_PLACE}/config.yaml"
        )
        writable = await self._output(
            sandbox_id, f"test -w {MANAGED_PLACE}/config.yaml || test -w {MANAGED_PLACE}; echo $?"
        )
        return {
            f"Hermes {version}": version in await self._output(sandbox_id, "hermes --version"),
            "the agent is not root": user.isdecimal() and user != "0",
            f"{MANAGED_PLACE} is not the agent's own": not re.search(rf"\b{user}\b", owners),
            f"{MANAGED_PLACE} cannot be written": writable.endswith("1"),
            "Python 3.11 or newer": await self._output(
                sandbox_id, "python3 -c 'import sys; print(sys.version_info >= (3, 11))'"
            )
            == "True",
        }

    async def _starts(self, sandbox_id: str) -> bool:
        token = secrets.token_urlsafe(32)
        environment = render_environment(agent_environment(token, {}))
        try:
            await self.inside.configure(sandbox_id, {f"{OWN_FILES}/agent.env": environment})
            process = await self.inside.open_process(sandbox_id)
            await self.inside.start_process(sandbox_id, process, "agent", AGENT_COMMAND)
            url = await self.provider.sign_preview(sandbox_id, AGENT_PORT, timedelta(minutes=5))
        except AppError:
            return False
        deadline = self.clock() + self.agent_start
        while not await self.agents.is_agent_up(url, token, within=_CHECK):
            if self.clock() >= deadline:
                return False
            await self.sleep(_POLL_S)
        return True

    async def _output(self, sandbox_id: str, command: str) -> str:
        return (await self.inside.output(sandbox_id, command)).strip()
