"""What Hermes reads in a sandbox: config.yaml and the environment of its process.

Hermes reads config.yaml again at every request, its environment only at start; so a change of the
model rewrites one file, a change of variables needs a restart. A broken config.yaml would silently
mean another provider: both files are written by serialisers and read back before they go up.
"""

import hashlib
import hmac
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from sandbox_manager.model.directory import SKILLS_ROOT
from sandbox_manager.model.plan import AGENT_PORT
from sandbox_manager.model.record import ModelChoice
from sandbox_manager.model.variables import StoredVariable

HOME = "/home/daytona"
HERMES_HOME = f"{HOME}/.hermes"
OWN_FILES = f"{HOME}/.tryskills"
WORK_ROOT = f"{HOME}/work"

TOOLSETS = ("terminal", "file", "skills", "todo", "code_execution")
_HINT = (
    "You answer in a chat in the browser. GitHub-flavoured Markdown is rendered; fenced code"
    " blocks are highlighted. Files that you write below the working directory are shown to the"
    " user."
)
_ORPHAN_GRACE_S = 600
_APPROVAL_TIMEOUT_S = 300


@dataclass(frozen=True)
class ModelLimits:
    """What Hermes is told about the model, so that it need not probe the endpoint."""

    context_length: int
    max_tokens: int


def config_hash(key: bytes, choice: ModelChoice, variables: Sequence[StoredVariable]) -> str:
    """Equal hash, equal config: nothing to write. Keyed, so nobody guesses it from the parts."""
    return _keyed(
        key, [choice.provider, choice.model, choice.base_url, environment_hash(key, variables)]
    )


def environment_hash(key: bytes, variables: Sequence[StoredVariable]) -> str:
    """A value's version stands for the value, which is not needed to compare."""
    parts = [
        [value.name, value.skill, value.version, value.set_at.isoformat()] for value in variables
    ]
    return _keyed(key, parts)


def render_config(
    choice: ModelChoice, limits: ModelLimits, *, relay_url: str, relay_token: str, revision: str
) -> str:
    """config.yaml. `revision` changes with every skill put in: Hermes rebuilds its index then."""
    model: dict[str, Any] = {
        "default": choice.model,
        "provider": "custom",
        "base_url": f"{relay_url.rstrip('/')}/llm/v1",
        "api_key": relay_token,
        "context_length": limits.context_length,
        "max_tokens": limits.max_tokens,
    }
    config: dict[str, Any] = {
        "model": model,
        "approvals": {"mode": "manual", "timeout": _APPROVAL_TIMEOUT_S},
        "terminal": {"backend": "local", "cwd": WORK_ROOT},
        "platform_toolsets": {"cli": list(TOOLSETS), "api_server": list(TOOLSETS)},
        "platform_hints": {"tui": {"replace": _HINT}, "api_server": {"replace": _HINT}},
        "memory": {"nudge_interval": 0},
        "skills": {
            "external_dirs": [SKILLS_ROOT],
            "disabled": [revision_mark(revision)],
            "creation_nudge_interval": 0,
            "write_approval": True,
        },
        "curator": {"enabled": False},
        "security": {"tirith_enabled": False, "allow_lazy_installs": False},
        "gateway": {"respawn_storm": {"max_starts": 0}},
    }
    text: str = yaml.safe_dump(config, sort_keys=False, width=10_000)
    if yaml.safe_load(text) != config:
        message = "config.yaml does not read back as written"
        raise ValueError(message)
    return text


def revision_mark(revision: str) -> str:
    """The name of a skill that does not exist, disabled only to make the list differ."""
    return f"__rev_{revision}__"


def agent_environment(token: str, variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of `hermes serve`."""
    return {
        **variables,
        "HERMES_HOME": HERMES_HOME,
        "HERMES_DASHBOARD_SESSION_TOKEN": token,
        "HERMES_TUI_TOOL_PROGRESS": "verbose",
        "HERMES_TUI_TOOLSETS": ",".join(TOOLSETS),
        "HERMES_TUI_WS_ORPHAN_REAP_GRACE_S": str(_ORPHAN_GRACE_S),
    }


def raw_environment(key: str, port: int) -> dict[str, str]:
    """The environment of Hermes' API server."""
    return {
        "HERMES_HOME": HERMES_HOME,
        "HERMES_GATEWAY_MAX_STARTS": "0",
        "API_SERVER_ENABLED": "true",
        "API_SERVER_KEY": key,
        "API_SERVER_HOST": "127.0.0.1",
        "API_SERVER_PORT": str(port),
    }


def render_environment(variables: Mapping[str, str]) -> str:
    """A file that a POSIX shell sources; any value but one with a NUL survives."""
    for name, value in variables.items():
        if "\0" in value:
            raise ValueError(f"{name} holds a NUL, which no process variable can")
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())


AGENT_COMMAND = (
    "hermes",
    "serve",
    "--host",
    "127.0.0.1",
    "--port",
    str(AGENT_PORT),
    "--skip-build",
)
RAW_COMMAND = ("hermes", "gateway", "run")


def _keyed(key: bytes, parts: Any) -> str:
    return hmac.new(key, json.dumps(parts).encode(), hashlib.sha256).hexdigest()
