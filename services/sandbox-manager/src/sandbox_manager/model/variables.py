"""Which variables go into a sandbox, and under which names.

A skill asks for variables by name; a name that could change how the agent itself runs is refused.
Hermes hides provider and tool keys from the commands it runs, so each variable is also given under
the prefix that reaches commands; the names of model providers only so, or the agent would take
them for its own.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from common.contracts.sandbox import LaunchSkill
from common.providers import PROVIDERS

from sandbox_manager.model.directory import skill_path
from sandbox_manager.model.record import Variable

COMMANDS_PREFIX = "_HERMES_FORCE_"

_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")
_REFUSED_NAMES = frozenset(
    [
        "ALL_PROXY",
        "BASHOPTS",
        "BASH_ENV",
        "CDPATH",
        "CURL_CA_BUNDLE",
        "ENV",
        "GCONV_PATH",
        "GLOBIGNORE",
        "HISTFILE",
        "HOME",
        "HOSTALIASES",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "IFS",
        "JAVA_TOOL_OPTIONS",
        "LOGNAME",
        "MAIL",
        "NO_PROXY",
        "NODE_OPTIONS",
        "NODE_PATH",
        "OLDPWD",
        "OPENAI_API_BASE",
        "OPENAI_BASE_URL",
        "PATH",
        "PROMPT_COMMAND",
        "PS1",
        "PS4",
        "PWD",
        "REQUESTS_CA_BUNDLE",
        "RUBYLIB",
        "RUBYOPT",
        "SHELL",
        "SHELLOPTS",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "TMPDIR",
        "USER",
        "VIRTUAL_ENV",
        "ZDOTDIR",
    ]
)
_REFUSED_PREFIXES = (
    "API_SERVER_",
    "BASH_FUNC_",
    "DYLD_",
    "GATEWAY_",
    "GIT_",
    "HERMES_",
    "LD_",
    "PERL5",
    "PIP_",
    "PYTHON",
    "TERMINAL_",
    "UV_",
    "_HERMES_",
)
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


def is_refused(name: str) -> bool:
    """Names that decide where programs are found, what they load or how Hermes runs."""
    upper = name.upper()
    is_odd = _NAME.fullmatch(name) is None
    return is_odd or upper in _REFUSED_NAMES or upper.startswith(_REFUSED_PREFIXES)


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
