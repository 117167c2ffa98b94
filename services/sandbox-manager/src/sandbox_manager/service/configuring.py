"""What a sandbox's config should be: the owner's choice and the variables of the skills in it."""

import asyncio
import contextlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from common.contracts.keys import OwnerSettings
from common.contracts.sandbox import LaunchSkill
from common.errors import NotFoundError

from sandbox_manager.model.config import (
    ModelLimits,
    agent_environment,
    config_hash,
    environment_hash,
    render_config,
    render_environment,
)
from sandbox_manager.model.launch import Launch
from sandbox_manager.model.record import ModelChoice, Variable
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.model.variables import Choice, StoredVariable, choose, environment_of
from sandbox_manager.ports.services import Entered, Keys

_MOST_REVEALED = 1000

Declared = tuple[LaunchSkill, tuple[Variable, ...]]


@dataclass(frozen=True)
class OwnerFacts:
    """What keys tells about an owner, read once a launch."""

    settings: OwnerSettings
    entered: Entered

    @property
    def account_stamp(self) -> str:
        """Which key of their own account they entered; empty for the operator's account."""
        return self.entered.account.stamp if self.entered.account is not None else ""


@dataclass(frozen=True)
class Wanted:
    """The config a sandbox should have."""

    choice: ModelChoice
    variables: Choice
    config_hash: str
    environment_hash: str


class Configs:
    def __init__(self, keys: Keys, *, secret: bytes, relay_url: str, limits: ModelLimits) -> None:
        self._keys = keys
        self._secret = secret
        self._relay_url = relay_url
        self._limits = limits
        self._revealed: dict[tuple[str, str, str, int], str] = {}

    async def facts(self, owner_id: str) -> OwnerFacts:
        settings, entered = await asyncio.gather(
            self._keys.settings(owner_id), self._keys.entered(owner_id)
        )
        return OwnerFacts(settings, entered)

    def wanted_for(self, facts: OwnerFacts, sandbox: Sandbox, launch: Launch) -> Wanted:
        """With the launch's skill beside the skills that are installed."""
        skill = (launch.skill, launch.variables)
        return self._wanted(facts, [*_skills(sandbox, besides=launch.skill.directory), skill])

    def wanted_now(self, facts: OwnerFacts, sandbox: Sandbox) -> Wanted:
        """For what is installed as it is."""
        return self._wanted(facts, _skills(sandbox))

    def _wanted(self, facts: OwnerFacts, skills: Sequence[Declared]) -> Wanted:
        settings = facts.settings
        choice = ModelChoice(
            provider=settings.provider, model=settings.model, base_url=settings.base_url
        )
        chosen = choose(skills, facts.entered.variables)
        return Wanted(
            choice,
            chosen,
            config_hash(self._secret, choice, chosen.given),
            environment_hash(self._secret, chosen.given),
        )

    def config_file(self, wanted: Wanted, relay_token: str) -> str:
        return render_config(
            wanted.choice,
            self._limits,
            relay_url=self._relay_url,
            relay_token=relay_token,
            revision=secrets.token_hex(4),
        )

    async def secret_values(self, owner_id: str, wanted: Wanted) -> dict[str, str]:
        """The values that the agent can say, for hiding them in what it says; each version of one
        is asked of keys once a process.
        """
        values = {}
        for variable in wanted.variables.given:
            known = (owner_id, variable.name, variable.skill, variable.version)
            if known not in self._revealed:
                with contextlib.suppress(NotFoundError):
                    self._keep(known, await self._keys.reveal(owner_id, variable, "redaction"))
            if known in self._revealed:
                values[variable.name] = self._revealed[known]
        return values

    def _keep(self, known: tuple[str, str, str, int], value: str) -> None:
        self._revealed[known] = value
        while len(self._revealed) > _MOST_REVEALED:
            del self._revealed[next(iter(self._revealed))]

    async def environment_file(
        self, owner_id: str, variables: Iterable[StoredVariable], token: str
    ) -> str:
        """Reveals each value, which keys writes down."""
        values = {}
        for variable in variables:
            try:
                value = await self._keys.reveal(owner_id, variable)
            except NotFoundError:
                # Deleted since it was listed; the next launch sees another config hash.
                continue
            values[variable.name] = value.replace("\0", "")
        return render_environment(agent_environment(token, environment_of(values)))


def _skills(sandbox: Sandbox, besides: str | None = None) -> list[Declared]:
    return [
        (installed.skill, installed.variables)
        for installed in sandbox.skills.values()
        if installed.skill.directory != besides
    ]
