"""A whole platform with three of everything: what of it can be killed, taken away and put back,
and how the work spread.
"""

import asyncio
import contextlib
import json
import os
import signal
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import nats
from common.messaging.streams import EVENTS_STREAM
from local_platform.instance import Instance, running
from local_platform.load import Event
from local_platform.stack import supervision
from local_platform.stack.layout import Layout
from prometheus_client.parser import text_string_to_metric_families

SERVICES = ("keys", "skill-resolver", "sandbox-manager", "chat-proxy", "relay", "gateway")
NODES = ("nats", "nats-2", "nats-3")
REPLICAS = 3
LOOK_S = 1.0

WORK = {
    "keys": "rpc_answered_seconds_count",
    "skill-resolver": "rpc_answered_seconds_count",
    "sandbox-manager": "launches_total",
    "chat-proxy": "turns_total",
    "relay": "relay_calls_total",
    "gateway": "gateway_requests_total",
}
"""What each service's work is counted by."""


@dataclass
class Spread:
    """The work of each process, also of those that were killed: by name and process id, as it was
    last seen.
    """

    seen: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))

    def by_process(self) -> dict[str, dict[str, int]]:
        spread: dict[str, dict[str, int]] = {}
        for service in SERVICES:
            spread[service] = {
                name: round(sum(seen.values()))
                for name, seen in sorted(self.seen.items())
                if _service_of(name) == service
            }
        return spread


@dataclass
class Stage:
    instance: Instance
    spread: Spread = field(default_factory=Spread)

    @property
    def layout(self) -> Layout:
        return Layout(self.instance.directory)

    @property
    def pids(self) -> dict[str, int]:
        return {one.name: one.pid for one in supervision.conditions(self.layout)}

    def kill(self, name: str) -> None:
        """As the kernel does when memory is short; `supervisord` starts it again."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pids[name], signal.SIGKILL)

    def away(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Stopped, until the context is left."""
        return supervision.taken_out(self.layout, name)

    def lost(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Killed, and not started again before the context is left."""
        return supervision.killed(self.layout, name)

    async def watch(self) -> None:
        """Look at what every process has done, for ever."""
        async with httpx.AsyncClient(timeout=LOOK_S) as http:
            while True:
                pids = await asyncio.to_thread(lambda: self.pids)
                for name, described in self.instance.processes.items():
                    if _service_of(name) in SERVICES and pids.get(name):
                        await self._look(http, name, pids[name], described["port"])
                await asyncio.sleep(LOOK_S)

    async def _look(self, http: httpx.AsyncClient, name: str, pid: int, port: int) -> None:
        with contextlib.suppress(httpx.HTTPError):
            text = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
            self.spread.seen[name][pid] = _total(text, WORK[_service_of(name)])

    def events(self) -> Iterable[Event]:
        """The stream of events from its first message, each id once."""
        return asyncio.run(self._events())

    async def _events(self) -> list[Event]:
        password = (self.layout.secrets / "nats-password-operator").read_text()
        ports = [self.instance.processes[name]["port"] for name in NODES]
        servers = [f"nats://127.0.0.1:{port}" for port in ports]
        connection = await nats.connect(servers, user="operator", password=password)
        jetstream = connection.jetstream()
        total = (await jetstream.stream_info(EVENTS_STREAM)).state.messages
        reading = await jetstream.subscribe("evt.>", ordered_consumer=True)
        found = [json.loads((await reading.next_msg(timeout=10)).data) for _ in range(total)]
        await connection.close()
        return found


def _service_of(name: str) -> str:
    base, _, number = name.rpartition("-")
    return base if number.isdigit() else name


def _total(text: str, sample: str) -> float:
    return sum(
        one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
        if one.name == sample
    )


@asynccontextmanager
async def staged(directory: Path) -> AsyncIterator[Stage]:
    """A platform that is up, and watched."""
    settings = {"LOCAL_REPLICAS": str(REPLICAS), "LOCAL_NATS_NODES": str(len(NODES))}
    with running(directory, **settings) as instance:
        stage = Stage(instance)
        watching = asyncio.ensure_future(stage.watch())
        try:
            yield stage
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching


def doubled(events: Iterable[Event]) -> Counter[Any]:
    """Ids that the stream holds more than once."""
    counted = Counter(event["id"] for event in events)
    return Counter({key: number - 1 for key, number in counted.items() if number > 1})
