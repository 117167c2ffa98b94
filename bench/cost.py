"""What one user, one launch, one answer and one open stream cost: processor time by part of the
platform, memory, and bytes kept. docs/scaling.md reckons with these.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import nats
import psutil
from local_platform.instance import Instance
from local_platform.visitor import Visitor

from bench.figures import Figure

USERS = 6
IDLE_S = 15.0
OPEN_STREAMS = 400
OPEN_S = 12.0
OUTBOXES_S = 2.0
INSTANTS = 5
WORDS = 600
RATE = 50
HELLO = "[[say:Hello.]]"
TURN = f"[[tokens:{WORDS}]][[rate:{RATE}]][[chunk:1]]"

_MIB = 1024**2
_SERVICES = ("gateway", "keys", "skill-resolver", "sandbox-manager", "chat-proxy", "relay")
_PARTS = {"services": _SERVICES, "nats": ("nats",), "store": ("store",)}
_STREAMS = ("EVENTS", "JOURNAL")


@dataclass(frozen=True)
class Cost:
    """Processor seconds of each part, and the bytes that each stream and the store hold."""

    cpu_s: Mapping[str, float]
    kept: Mapping[str, float]

    def since(self, before: "Cost", number: float) -> "Cost":
        """What each of so many has cost since then."""
        return Cost(
            {name: (value - before.cpu_s[name]) / number for name, value in self.cpu_s.items()},
            {name: (value - before.kept[name]) / number for name, value in self.kept.items()},
        )


def measure(instance: Instance, refs: Sequence[str]) -> list[Figure]:
    """`refs` are two skills; every user is new, and may hold OPEN_STREAMS streams."""
    users = [Visitor.named(f"cost-{number}", instance) for number in range(USERS)]
    figures = [*_idle(instance), *_open_streams(instance, users[0], refs[0])]
    figures += _each(instance, "create launch", [partial(one.launched, refs[0]) for one in users])
    figures += _each(instance, "install launch", [partial(one.launched, refs[1]) for one in users])
    again = [partial(one.launched, refs[1]) for one in users for _ in range(INSTANTS)]
    figures += _each(instance, "instant launch", again)
    chats = [_chat(one, refs[1]) for one in users]
    for one, chat in zip(users, chats, strict=True):
        # An agent's first turn in a conversation starts a process and takes the skill along.
        _turn(one, chat, HELLO)
    turns = [partial(_turn, one, chat, TURN) for one, chat in zip(users, chats, strict=True)]
    figures += _each(instance, f"answer of {WORDS} chunks", turns, at_once=USERS)
    for one in users:
        one.http.close()
    return figures


def _idle(instance: Instance) -> list[Figure]:
    before, memory = _cost(instance), _memory_mib(instance)
    time.sleep(IDLE_S)
    cost = _cost(instance).since(before, IDLE_S)
    return [
        *(
            Figure(f"cost, idle, {part}", cpu * 1000, "ms cpu/s")
            for part, cpu in cost.cpu_s.items()
        ),
        *(Figure(f"cost, idle, memory of {part}", size, "MiB") for part, size in memory.items()),
    ]


def _open_streams(instance: Instance, user: Visitor, ref: str) -> list[Figure]:
    """Streams on which nothing comes but the keep-alive."""
    launch = user.launched(ref)
    session = user.post("/api/sessions", launch_id=launch["id"])
    path = f"/api/sessions/{session['id']}/events"
    gateway = psutil.Process(instance.processes["gateway"]["pid"])
    base, idle = _cpu_s(gateway), gateway.memory_full_info().uss
    time.sleep(OPEN_S)
    without = _cpu_s(gateway) - base
    cpu, memory = asyncio.run(_opened(user, path, gateway))
    name = "cost, an open stream, gateway"
    return [
        Figure(f"{name} memory", (memory - idle) / OPEN_STREAMS / 1024, "KiB"),
        Figure(f"{name} cpu", (cpu - without) / OPEN_STREAMS / OPEN_S * 1000, "ms cpu/s"),
    ]


async def _opened(user: Visitor, path: str, gateway: psutil.Process) -> tuple[float, float]:
    """The gateway's processor seconds and memory while all are open."""
    limits = httpx.Limits(max_connections=None)
    headers = {"Authorization": f"Bearer {user.token}"}
    base = str(user.http.base_url)
    async with (
        httpx.AsyncClient(base_url=base, timeout=60, limits=limits) as http,
        AsyncExitStack() as streams,
    ):
        for _ in range(OPEN_STREAMS):
            opening = http.stream("GET", path, headers=headers)
            (await streams.enter_async_context(opening)).raise_for_status()
        began = _cpu_s(gateway)
        await asyncio.sleep(OPEN_S)
        return _cpu_s(gateway) - began, gateway.memory_full_info().uss


def _each(instance: Instance, name: str, work: Sequence[Any], *, at_once: int = 1) -> list[Figure]:
    """Per piece of work; idle cost is taken off by the time that all took."""
    before, began = _cost(instance), time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(lambda one: one(), work))
    # What is waiting in outboxes goes out once a second.
    time.sleep(OUTBOXES_S)
    took = time.perf_counter() - began
    after = _cost(instance)
    time.sleep(took)
    idle = _cost(instance).since(after, 1)
    cost = after.since(before, 1)
    number = len(work)
    return [
        *(
            Figure(f"cost, {name}, {part}", (cpu - idle.cpu_s[part]) / number * 1000, "ms cpu")
            for part, cpu in cost.cpu_s.items()
        ),
        *(
            Figure(f"cost, {name}, kept in {where}", size / number / 1024, "KiB")
            for where, size in cost.kept.items()
        ),
    ]


def _chat(user: Visitor, ref: str) -> str:
    launch = user.launched(ref)
    return str(user.post("/api/sessions", launch_id=launch["id"])["id"])


def _turn(user: Visitor, session_id: str, text: str) -> None:
    path = f"/api/sessions/{session_id}"
    before = user.get(path)["last_seq"]
    user.post(f"{path}/turns", text=text)
    *_, end = user.entries(f"{path}/events", until="turn.ended", after=before)
    if end["state"] != "completed":
        message = f"an answer ended {end['state']}: {end['error']}"
        raise RuntimeError(message)


def _cost(instance: Instance) -> Cost:
    processes = instance.processes
    cpu = {
        part: sum(_cpu_s(psutil.Process(processes[name]["pid"])) for name in names)
        for part, names in _PARTS.items()
    }
    return Cost(cpu, asyncio.run(_kept(instance)))


def _memory_mib(instance: Instance) -> dict[str, float]:
    processes = instance.processes
    return {
        name: psutil.Process(processes[name]["pid"]).memory_full_info().uss / _MIB
        for names in _PARTS.values()
        for name in names
    }


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _kept(instance: Instance) -> dict[str, float]:
    password = (instance.directory / "secrets/nats-password-operator").read_text().strip()
    server = f"nats://127.0.0.1:{instance.processes['nats']['port']}"
    connection = await nats.connect(server, user="operator", password=password)
    infos = {name: await connection.jetstream().stream_info(name) for name in _STREAMS}
    await connection.close()
    return {name: float(info.state.bytes) for name, info in infos.items()}
