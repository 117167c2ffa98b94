"""Which port each process listens on, and who has it already."""

import json
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import psutil

from local_platform.stack.faults import FaultError

HOST = "127.0.0.1"

PORTS = {
    "gateway": 8000,
    "nats": 14222,
    "store": 17017,
    "daytona": 13986,
    "demo-model": 8091,
    "relay": 8090,
    "keys": 8101,
    "skill-resolver": 8102,
    "sandbox-manager": 8103,
    "chat-proxy": 8104,
}
"""The fixed ports: of the last four, the side port with their health."""

Ports = Mapping[str, int]


def setting_of(process: str) -> str:
    return f"LOCAL_PORT_{process.upper().replace('-', '_')}"


def numbered(name: str, number: int) -> str:
    """The first of several keeps the plain name."""
    return name if number == 1 else f"{name}-{number}"


def front_of(name: str) -> str:
    """The first replica's own port, where the service's is that of the front door."""
    return f"{name}-1"


def route_of(name: str) -> str:
    """Where the other servers of NATS reach this one."""
    return f"{name}-route"


def choose(
    mode: Literal["fixed", "free"],
    environment: Mapping[str, str],
    remembered: Path,
    fixed: Ports = PORTS,
) -> dict[str, int]:
    """The port of every process: set by hand, fixed, or free at this moment.

    Free ports are chosen once and kept in the file `remembered`, as addresses that were stored
    hold them; one that is taken by now is chosen anew.
    """
    by_hand = {name: _read(name, environment) for name in fixed if setting_of(name) in environment}
    if mode == "fixed":
        return {**fixed, **by_hand}
    kept = {name: port for name, port in _remembered(remembered, fixed).items() if _is_free(port)}
    chosen = dict(zip(fixed, _free_ports(len(fixed)), strict=True)) | kept | by_hand
    remembered.write_text(json.dumps(chosen))
    return chosen


def check(ports: Mapping[str, int]) -> None:
    """Raise FaultError for the ports that somebody listens on."""
    taken = {name: port for name, port in ports.items() if not _is_free(port)}
    if not taken:
        return
    lines = [
        f"Port {port} of {name} is in use{_by_whom(port)}. End that process, or choose another"
        f" port with {setting_of(name)}=<port>."
        for name, port in taken.items()
    ]
    raise FaultError("\n".join([*lines, "LOCAL_PORTS=free picks free ports for everything."]))


def _remembered(path: Path, fixed: Ports) -> dict[str, int]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {name: int(content[name]) for name in fixed if name in content}


def _read(name: str, environment: Mapping[str, str]) -> int:
    value = environment[setting_of(name)]
    if not value.isdigit() or not 0 < int(value) < 65536:
        raise FaultError(f"{setting_of(name)}={value} is no port: give a number from 1 to 65535.")
    return int(value)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: a port with connections that are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _by_whom(port: int) -> str:
    try:
        listening = [
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
            and getattr(connection.laddr, "port", 0) == port
        ]
        if not listening or listening[0] is None:
            return ""
        process = psutil.Process(listening[0])
        command = " ".join(process.cmdline()) or process.name()
    except psutil.Error:
        return ""
    return f" by process {process.pid} ({command[:100]})"
