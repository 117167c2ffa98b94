"""The processes of the platform and the environment of each: data."""

import os
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local_platform.stack import secret_files as secret
from local_platform.stack.layout import Layout
from local_platform.stack.nats_config import USERS_FILE, passwords
from local_platform.stack.ports import HOST, Ports

INFRASTRUCTURE, MACHINERY, SERVICES = "infrastructure", "machinery", "services"
"""Groups, in the order in which they start; they stop in the opposite one."""

RELAY_NAME = "model-relay.internal:8090"
SHARED = ("NATS_URL", "MONGODB_URI", "DAYTONA_", "DEPLOYMENT_ID", "RELAY_PUBLIC_URL")
"""The operator's variables that every service is given."""

ALSO = {"relay": ("CHAT_PROXY_DAILY_TOKENS",)}
"""The operator's variables of another service that one is given, too."""

ON_THEIR_OWN_PORT = {"gateway", "relay"}
"""Services that answer `/readyz` where they serve, and not on a side port."""


@dataclass(frozen=True)
class Process:
    """One process; it is ready when `ready` answers 200, or when its port is open without one.

    `prefixes` name the operator's variables that it is given besides `environment`.
    """

    name: str
    command: tuple[str, ...]
    group: str
    port: int | None = None
    ready: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    prefixes: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()
    stop_s: int = 10

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


@dataclass(frozen=True)
class Context:
    """What the table is written with; `operator` is the environment of `make up`."""

    layout: Layout
    ports: Ports
    secrets: Mapping[str, str]
    operator: Mapping[str, str]
    project: Path

    @property
    def users_file(self) -> Path:
        return self.project / USERS_FILE


Table = Callable[[Context], list[Process]]


def platform(context: Context) -> list[Process]:
    """Everything that is not replaced by an address in the operator's environment."""
    replaced = {
        "nats": "NATS_URL",
        "store": "MONGODB_URI",
        "daytona": "DAYTONA_API_URL",
    }
    processes = [*_infrastructure(context), *_machinery(context), *_services(context)]
    return [p for p in processes if replaced.get(p.name, "") not in context.operator]


def people(context: Context) -> dict[str, dict[str, str]]:
    """Who is no process and has an environment all the same: whoever operates the platform, and a
    consumer of its events. Nobody where the bus is another one: whose logins those are is not
    known here.
    """
    if "NATS_URL" in context.operator:
        return {}
    return {
        "operator": {
            "NATS_URL": _nats_url(context, "operator"),
            "MONGODB_URI": context.operator.get("MONGODB_URI", _store_url(context)),
        },
        "events-reader": {"NATS_URL": _nats_url(context, "events-reader")},
    }


def nats_config(context: Context) -> Path:
    return context.layout.run / "nats.conf"


def _infrastructure(context: Context) -> list[Process]:
    store = [_script("secantusd-py"), "--host", HOST, "--port", str(context.ports["store"])]
    store += ["--storage-path", str(context.layout.store), "--sync-on-commit"]
    return [
        Process(
            name="nats",
            command=(_script("nats-server"), "--config", str(nats_config(context))),
            group=INFRASTRUCTURE,
            port=context.ports["nats"],
            environment={
                variable: context.secrets[secret.nats_password(user)]
                for user, variable in passwords(context.users_file).items()
            },
        ),
        Process(
            name="store",
            command=(*store, "--log-level", "WARNING"),
            group=INFRASTRUCTURE,
            port=context.ports["store"],
            # What it acknowledged is on disk, and a SIGTERM while it starts is lost on it.
            stop_s=5,
        ),
    ]


def _machinery(context: Context) -> list[Process]:
    ports = context.ports
    daytona = module("local_platform.daytona")
    return [
        Process(
            name="demo-model",
            command=module("local_platform.demo_model"),
            group=MACHINERY,
            port=ports["demo-model"],
            ready="/readyz",
            environment={"DEMO_MODEL_HOST": HOST, "DEMO_MODEL_PORT": str(ports["demo-model"])},
            prefixes=("DEMO_MODEL_",),
        ),
        Process(
            name="daytona",
            command=daytona,
            group=MACHINERY,
            port=ports["daytona"],
            ready="/api/health/ready",
            environment={
                "LOCAL_DAYTONA_HOST": HOST,
                "LOCAL_DAYTONA_PORT": str(ports["daytona"]),
                "LOCAL_DAYTONA_DATA_DIR": str(context.layout.daytona),
                "LOCAL_DAYTONA_API_KEY": context.secrets[secret.DAYTONA_KEY],
                "LOCAL_DAYTONA_FORWARDS": f"{RELAY_NAME}={HOST}:{ports['relay']}",
            },
            prefixes=("LOCAL_DAYTONA_", "UV_", "PIP_"),
            prepare=(*daytona, "prepare"),
            stop_s=30,
        ),
    ]


def _services(context: Context) -> list[Process]:
    ports, secrets = context.ports, context.secrets
    paths = {name: str(context.layout.secrets / name) for name in secrets}
    daytona = f"http://{HOST}:{ports['daytona']}/api"
    previews = f"proxy.localhost:{ports['daytona']}"
    return [
        _service(
            context,
            "keys",
            KEYS_MASTER_KEY_FILE=paths[secret.MASTER_KEY],
            KEYS_DEFAULT_PROVIDER="demo",
            KEYS_DEFAULT_MODEL="demo",
        ),
        _service(
            context,
            "skill-resolver",
            SKILL_RESOLVER_LOCAL_ROOTS=str(context.project / "examples" / "skills"),
            SKILL_RESOLVER_LOCAL_BASE=str(context.project),
            SKILL_RESOLVER_OWN_HOSTS=",".join(
                f"{host}:{ports['gateway']}" for host in (HOST, "localhost")
            ),
        ),
        _service(
            context,
            "sandbox-manager",
            DAYTONA_API_URL=daytona,
            DAYTONA_API_KEY=secrets[secret.DAYTONA_KEY],
            SANDBOX_MANAGER_SEAL_KEY_FILE=paths[secret.SEAL_KEY],
            SANDBOX_MANAGER_PREVIEW_DOMAINS=previews,
            # Each start of an agent keeps a processor busy for a second or two.
            SANDBOX_MANAGER_MOST_CREATES=str(2 * (os.cpu_count() or 1)),
            SANDBOX_MANAGER_ISOLATION=context.operator.get("LOCAL_DAYTONA_ISOLATION", "sandbox"),
            RELAY_PUBLIC_URL=f"http://{RELAY_NAME}",
        ),
        _service(context, "chat-proxy", CHAT_PROXY_PREVIEW_DOMAINS=previews),
        _service(
            context,
            "relay",
            "chat_proxy",
            "relay",
            RELAY_HOST=HOST,
            RELAY_PORT=str(ports["relay"]),
            RELAY_DEMO_URL=f"http://{HOST}:{ports['demo-model']}/v1",
            RELAY_ALLOW_PRIVATE="true",
        ),
        _service(
            context,
            "gateway",
            GATEWAY_HOST=HOST,
            GATEWAY_PORT=str(ports["gateway"]),
            GATEWAY_AUTH="local",
            GATEWAY_LOCAL_ISSUER_KEY_FILE=paths[secret.ISSUER_KEY],
            GATEWAY_PREVIEW_DOMAINS=previews,
        ),
    ]


def _service(context: Context, name: str, *command: str, **environment: str) -> Process:
    prefix = name.upper().replace("-", "_") + "_"
    shared = {
        "NATS_URL": _nats_url(context, name),
        "MONGODB_URI": _store_url(context),
        "DEPLOYMENT_ID": context.secrets[secret.DEPLOYMENT_ID],
    }
    if name not in ON_THEIR_OWN_PORT:
        shared |= {
            f"{prefix}HEALTH_HOST": HOST,
            f"{prefix}HEALTH_PORT": str(context.ports[name]),
        }
    return Process(
        name=name,
        command=module(*(command or (name.replace("-", "_"),))),
        group=SERVICES,
        port=context.ports[name],
        ready="/readyz",
        environment=shared | environment,
        prefixes=(prefix, *SHARED, *ALSO.get(name, ())),
    )


def _store_url(context: Context) -> str:
    return f"mongodb://{HOST}:{context.ports['store']}/"


def _nats_url(context: Context, user: str) -> str:
    password = context.secrets[secret.nats_password(user)]
    return f"nats://{user}:{password}@{HOST}:{context.ports['nats']}"


def module(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


def _script(name: str) -> str:
    return str(Path(sysconfig.get_path("scripts")) / name)
