"""The ground that the chat path is measured on: a platform whose chat-proxy finds another agent
than its sandboxes hold, users, and what a run costs.
"""

import os
import random
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from local_platform.instance import Instance, running
from local_platform.visitor import Visitor

from bench.chatpath.commands import Helper

AGENT_HOST = "127.0.0.2"
OWNERS = 6
MOST = 300
MEASURED = ("gateway", "chat-proxy", "nats")
_SKILL = "examples/skills/hello"
_FIXED_PORTS = range(20_000, 30_000)
"""Below those that connections get."""

_TICKS = os.sysconf("SC_CLK_TCK")
_MIB = 1024**2


@dataclass(frozen=True)
class Session:
    """One session of one of the owners."""

    id: str
    visitor: Visitor

    @property
    def events(self) -> str:
        return f"/api/sessions/{self.id}/events"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.visitor.token}"}

    def say(self, text: str) -> dict[str, Any]:
        turn: dict[str, Any] = self.visitor.post(f"/api/sessions/{self.id}/turns", text=text)
        return turn


@dataclass(frozen=True)
class Ground:
    """`agent` stands in for Hermes in every sandbox; `sessions` go round the owners."""

    instance: Instance
    agent: Helper
    viewers: Helper
    agent_url: str
    sessions: Sequence[Session]

    def new_session(self) -> Session:
        """One of the first owner that was never used."""
        first = self.sessions[0]
        detail = first.visitor.get(f"/api/sessions/{first.id}")
        made = first.visitor.post("/api/sessions", launch_id=detail["launch_id"])
        return Session(made["id"], first.visitor)

    @property
    def pids(self) -> list[int]:
        processes = self.instance.processes
        return [int(processes[name]["pid"]) for name in MEASURED]

    def port(self) -> int:
        return httpx.URL(self.instance.url).port or 80


@contextmanager
def ground(directory: Path, most: int = MOST) -> Iterator[Ground]:
    with ExitStack() as stack:
        port = _port_of_both()
        each = str(2 * MOST)
        settings = {
            "LOCAL_PORT_DAYTONA": str(port),
            "CHAT_PROXY_PREVIEW_DOMAINS": f"proxy.localhost:{port}={AGENT_HOST}",
            "CHAT_PROXY_TURNS_PER_OWNER": each,
            "SANDBOX_MANAGER_MOST_TURNS": each,
            "GATEWAY_OWNER_STREAMS": each,
            "GATEWAY_OWNER_REQUESTS_AT_ONCE": each,
            "GATEWAY_REQUESTS_PER_MINUTE": "100000",
            "GATEWAY_ADDRESS_REQUESTS_PER_MINUTE": "100000",
        }
        instance = stack.enter_context(running(directory, **settings))
        agent = Helper("bench.chatpath.agent", AGENT_HOST, str(port), str(port))
        stack.enter_context(agent)
        viewers = stack.enter_context(Helper("bench.chatpath.viewers"))
        sessions = _sessions(instance, most)
        yield Ground(instance, agent, viewers, f"http://{AGENT_HOST}:{port}", sessions)


def _port_of_both() -> int:
    """A port that is free on both addresses, and that the system gives to nobody meanwhile."""
    for port in random.sample(_FIXED_PORTS, 100):
        with ExitStack() as stack:
            probes = [stack.enter_context(socket.socket()) for _ in range(2)]
            try:
                for probe, host in zip(probes, ("127.0.0.1", AGENT_HOST), strict=True):
                    probe.bind((host, port))
            except OSError:
                continue
            return port
    message = "no port is free"
    raise OSError(message)


def _sessions(instance: Instance, count: int) -> list[Session]:
    visitors = [Visitor.named(f"viewer-{number}", instance) for number in range(OWNERS)]
    launches = [visitor.launched(_SKILL) for visitor in visitors]
    for launch in launches:
        if launch["state"] != "ready":
            message = f"no sandbox to measure with: {launch['error']}"
            raise RuntimeError(message)
    made = []
    for number in range(count):
        visitor, launch = visitors[number % OWNERS], launches[number % OWNERS]
        made.append(Session(visitor.post("/api/sessions", launch_id=launch["id"])["id"], visitor))
    return made


def cpu_s(pids: Sequence[int]) -> float:
    """What the processes have had of a processor, from `/proc/<pid>/stat`."""
    return sum(_ticks(pid) for pid in pids) / _TICKS


def cpu_each_s(ground: Ground) -> Mapping[str, float]:
    processes = ground.instance.processes
    return {name: cpu_s([int(processes[name]["pid"])]) for name in MEASURED}


def memory_mib(pids: Sequence[int]) -> float:
    pages = (int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") / _MIB


def wait_until(what: str, is_so: Any, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.05)


def _ticks(pid: int) -> int:
    # The name of the program may hold spaces; what follows its bracket does not.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
