"""More than one of what carries the load: replicas of every service behind one front door, and a
cluster of three servers of NATS.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from local_platform.stack import secret_files as secret
from local_platform.stack.layout import Layout
from local_platform.stack.ports import HOST, PORTS, Ports, front_of, numbered, route_of
from local_platform.stack.processes import (
    INFRASTRUCTURE,
    ON_THEIR_OWN_PORT,
    SERVICES,
    Context,
    Process,
    Table,
    module,
    platform,
)

Nodes = Literal["1", "3"]
"""As the environment says it: a cluster of two outvotes nobody."""

CLUSTER_FILE = Path("deploy/nats/cluster.conf")
ROUTE_USER = "route"
NATS = "nats"


@dataclass(frozen=True)
class Scale:
    """How many processes of each service, and how many servers of NATS."""

    replicas: int = 1
    nodes: int = 1

    @property
    def ports(self) -> Mapping[str, int]:
        """The fixed ports of all that runs; a replica's are hundreds above its service's."""
        ports = dict(PORTS)
        services = [name for name in PORTS if name in _FRONTED or PORTS[name] > _SIDE_PORTS]
        for name in services if self.replicas > 1 else ():
            if name in _FRONTED:
                ports[front_of(name)] = PORTS[name] + 100
            for number in range(2, self.replicas + 1):
                ports[numbered(name, number)] = PORTS[name] + 100 * number
        for number in range(1, self.nodes + 1) if self.nodes > 1 else ():
            name = numbered(NATS, number)
            ports[name] = PORTS[NATS] + 100 * (number - 1)
            ports[route_of(name)] = ports[name] + 2000
        return ports


_FRONTED = sorted(ON_THEIR_OWN_PORT)
_SIDE_PORTS = 8100


def scaled(scale: Scale, table: Table = platform) -> Table:
    """The table with as many of each."""

    def with_all(context: Context) -> list[Process]:
        processes = table(context)
        if scale.nodes > 1:
            processes = [_on_cluster(one, context, scale) for one in processes]
            processes = [
                copy
                for one in processes
                for copy in (_nodes(one, context, scale) if one.name == NATS else (one,))
            ]
        if scale.replicas > 1:
            processes = [copy for one in processes for copy in _replicas(one, context, scale)]
            processes.append(_front(context, scale))
        return processes

    return with_all


def _replicas(process: Process, context: Context, scale: Scale) -> Iterator[Process]:
    if process.group != SERVICES:
        yield process
        return
    is_fronted = process.name in ON_THEIR_OWN_PORT
    variable = _prefix(process.name) + ("PORT" if is_fronted else "HEALTH_PORT")
    for name in _names(process.name, scale.replicas):
        port = context.ports[front_of(name) if is_fronted and name == process.name else name]
        environment = {**process.environment, variable: str(port)}
        if process.name == "gateway":
            front = context.ports["gateway"]
            environment["GATEWAY_ALLOWED_HOSTS"] = f"{HOST}:{front},localhost:{front}"
        yield replace(process, name=name, port=port, environment=environment)


def _front(context: Context, scale: Scale) -> Process:
    """What listens where the one gateway and the one relay would."""
    routes = []
    for service in _FRONTED:
        behind = [front_of(service), *_names(service, scale.replicas)[1:]]
        targets = "+".join(str(context.ports[name]) for name in behind)
        routes.append(f"{context.ports[service]}={targets}")
    return Process(
        name="front",
        command=module("local_platform.front"),
        group=SERVICES,
        port=context.ports["gateway"],
        ready="/readyz",
        environment={"FRONT_HOST": HOST, "FRONT_ROUTES": ",".join(routes)},
    )


def _on_cluster(process: Process, context: Context, scale: Scale) -> Process:
    """A service knows every server, and keeps three copies of each stream."""
    if process.group != SERVICES:
        return process
    servers = [f"{HOST}:{context.ports[name]}" for name in _names(NATS, scale.nodes)]
    first, *others = servers
    login = process.environment["NATS_URL"].rpartition("@")[0]
    url = ",".join([f"{login}@{first}", *(f"nats://{server}" for server in others)])
    environment = {"STREAM_REPLICAS": str(scale.nodes), **process.environment, "NATS_URL": url}
    return replace(process, environment=environment)


def _nodes(process: Process, context: Context, scale: Scale) -> Iterator[Process]:
    names = _names(NATS, scale.nodes)
    password = context.secrets[secret.nats_password(ROUTE_USER)]
    for name in names:
        routes = ",".join(
            f"nats://{ROUTE_USER}:{password}@{HOST}:{context.ports[route_of(other)]}"
            for other in names
            if other != name
        )
        command = (*process.command[:-1], str(node_config(context.layout, name)))
        yield replace(
            process,
            name=name,
            command=command,
            group=INFRASTRUCTURE,
            port=context.ports[name],
            environment={
                **process.environment,
                "NATS_SERVER_NAME": name,
                "NATS_ROUTES": f"[{routes}]",
                "NATS_CLUSTER_PASSWORD": password,
            },
        )


def node_config(layout: Layout, name: str) -> Path:
    return layout.run / f"{name}.conf"


def node_configs(scale: Scale, layout: Layout, ports: Ports, project: Path) -> dict[Path, str]:
    """The configuration that deployments are given, with the addresses of this machine."""
    if scale.nodes == 1:
        return {}
    text = (project / CLUSTER_FILE).read_text()
    users = (project / CLUSTER_FILE).with_name("users.conf").read_text()
    return {
        node_config(layout, name): text.replace("0.0.0.0:4222", f"{HOST}:{ports[name]}")
        .replace("0.0.0.0:6222", f"{HOST}:{ports[route_of(name)]}")
        # Any free port: nobody looks here.
        .replace("http: 0.0.0.0:8222", f"http: {HOST}:-1")
        .replace("/data", str(layout.nats / name))
        .replace("include users.conf", users)
        for name in _names(NATS, scale.nodes)
    }


def _names(name: str, count: int) -> Sequence[str]:
    return [numbered(name, number) for number in range(1, count + 1)]


def _prefix(service: str) -> str:
    return service.upper().replace("-", "_") + "_"
