"""Many users at once: each launches a skill, and has no sandbox yet."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import mean

import httpx
import psutil
from local_platform.instance import Instance
from local_platform.stack import secret_files, tokens

from bench.figures import Figure, percentile

USERS = 100
_WITHIN_S = 600
_MIB = 1024**2
_SERVICES = ("gateway", "keys", "skill-resolver", "sandbox-manager", "chat-proxy", "relay")


@dataclass(frozen=True)
class Ended:
    took_s: float
    state: str


def measure(instance: Instance, ref: str, bare_ms: float) -> list[Figure]:
    """The baseline is what the agents' starts alone would take on all cores."""
    before = _services_mib(instance)
    started = time.perf_counter()
    ended = asyncio.run(_all(instance, ref))
    wall_s = time.perf_counter() - started
    services, sandboxes = _services_mib(instance), _sandboxes_mib(instance)
    failed = sum(one.state != "ready" for one in ended)
    took_s = [one.took_s for one in ended]
    starts_s = bare_ms / 1000 * USERS / (psutil.cpu_count() or 1)
    name = f"{USERS} users launch at once"
    return [
        Figure(f"{name}, not ready", failed, "", goal="0", ok=failed == 0),
        Figure(f"{name}, all ready after", wall_s, "s", starts_s, wall_s / starts_s),
        Figure(f"{name}, p50", percentile(took_s, 50), "s"),
        Figure(f"{name}, p95", percentile(took_s, 95), "s"),
        Figure(f"{name}, throughput", USERS / wall_s, "/s"),
        Figure(f"{name}, memory of a sandbox", mean(sandboxes), "MiB"),
        Figure(f"{name}, memory of all services before", before, "MiB"),
        Figure(f"{name}, memory of all services after", services, "MiB"),
    ]


async def _all(instance: Instance, ref: str) -> Sequence[Ended]:
    key = (instance.directory / f"secrets/{secret_files.ISSUER_KEY}").read_text().strip()
    now = datetime.now(UTC)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=instance.url, timeout=_WITHIN_S, limits=limits) as http:
        return await asyncio.gather(
            *(_launched(http, tokens.mint(f"crowd-{n}", key, now), ref) for n in range(USERS))
        )


async def _launched(http: httpx.AsyncClient, token: str, ref: str) -> Ended:
    headers = {"Authorization": f"Bearer {token}"}
    started = time.perf_counter()
    answer = await http.post("/api/launches", json={"ref": ref}, headers=headers)
    place = f"/api/launches/{answer.raise_for_status().json()['id']}"
    async with http.stream("GET", f"{place}/events", headers=headers) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("event:") and "launch.ended" in line:
                break
    took_s = time.perf_counter() - started
    launch = (await http.get(place, headers=headers)).raise_for_status().json()
    return Ended(took_s, launch["state"])


def _services_mib(instance: Instance) -> float:
    pids = {name: process["pid"] for name, process in instance.processes.items()}
    return sum(psutil.Process(pids[name]).memory_full_info().uss for name in _SERVICES) / _MIB


def _sandboxes_mib(instance: Instance) -> list[float]:
    """Of each sandbox, everything that runs in it."""
    host = psutil.Process(instance.processes["daytona"]["pid"])
    return [
        sum(process.memory_full_info().uss for process in [box, *box.children(recursive=True)])
        / _MIB
        for box in host.children()
    ]
