"""Which variables go into a sandbox, and under which names.

A skill asks for variables by name; a name that nobody may set (`common.variables`) is refused.
Hermes hides provider and tool keys from the commands it runs, so each variable is also given under
the prefix that reaches commands; the names of model providers only so, or the agent would take
them for its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from common.contracts.sandbox import LaunchSkill
from common.providers import PROVIDERS
from common.variables import is_refused

from sandbox_manager.model.directory import skill_path
from sandbox_manager.model.record import Variable

COMMANDS_PREFIX = "_HERMES_FORCE_"

_AGENTS_OWN = frozenset(
    {provider.key_name for provider in PROVIDERS.values() if provider.key_name}
    | {"ANTHROPIC_TOKEN", "DEEPSEEK_API_KEY", "GOOGLE_API_KEY", "GROQ_API_KEY", "MISTRAL_API_KEY"}
    | {"MOONSHOT_API_KEY", "TOGETHER_API_KEY", "XAI_API_KEY"}
)


@dataclass(frozen=True)
class StoredVariable:
    """What keys tells about a value an owner entered; never the value."""

    name: str
    skill: str
    digest: str | None
    version: int
    set_at: datetime


@dataclass(frozen=True)
class Choice:
    """The variables that go in, those a skill requires and nobody entered, those refused."""

    given: tuple[StoredVariable, ...] = ()
    missing: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def choose(
    skills: Iterable[tuple[LaunchSkill, Sequence[Variable]]], stored: Sequence[StoredVariable]
) -> Choice:
    """The union over `skills`, the same whichever of them is asked for.

    A value serves only the skill it was entered for, and only the digest it was entered for; where
    two skills ask for one name the value entered last wins.
    """
    given: dict[str, StoredVariable] = {}
    missing: set[str] = set()
    refused: set[str] = set()
    for skill, variables in skills:
        for variable in variables:
            if is_refused(variable.name):
                refused.add(variable.name)
                continue
            value = _entered_for(skill, variable.name, stored)
            if value is not None:
                given[value.name] = max(given.get(value.name, value), value, key=_age)
            elif variable.is_required:
                missing.add(variable.name)
    return Choice(
        given=tuple(given[name] for name in sorted(given)),
        missing=tuple(sorted(missing - given.keys())),
        refused=tuple(sorted(refused)),
    )


def environment_of(values: Mapping[str, str]) -> dict[str, str]:
    """The process variables that give `values` to the agent's commands."""
    forced = {COMMANDS_PREFIX + name: value for name, value in values.items()}
    plain = {name: value for name, value in values.items() if name not in _AGENTS_OWN}
    return plain | forced


def _entered_for(
    skill: LaunchSkill, name: str, stored: Sequence[StoredVariable]
) -> StoredVariable | None:
    path = skill_path(skill.owner, skill.repo, skill.path)
    found = [
        value
        for value in stored
        if (value.name, value.skill) == (name, path) and value.digest in (None, skill.digest)
    ]
    return max(found, key=_age, default=None)


def _age(value: StoredVariable) -> tuple[datetime, str, int]:
    """Never equal for two values of one name, so the order of skills decides nothing."""
    return value.set_at, value.skill, value.version
