"""Chunks on their way: what a processor spends on them, how late they come, whether all come.

The same agent, the same viewers, the same pace, in turn through the platform (with its journal),
through a Node `fetch`, and through nginx. An agent's first chunk leaves when every stream stands,
so what a turn costs to begin is measured elsewhere.
"""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, Self

from bench.chatpath import passthrough
from bench.chatpath.commands import Helper
from bench.chatpath.ground import (
    Ground,
    Session,
    cpu_each_s,
    cpu_s,
    memory_mib,
    wait_until,
)
from bench.figures import Figure

RATE = 50
SIZE = 250
SECONDS: Mapping[int, float] = {1: 10.0, 20: 8.0, 100: 8.0, 300: 8.0}
FLOOD_STREAMS, FLOOD_CHUNKS = 20, 3000
_PASSERS = ("node", "nginx")
_STUCK_S = 15.0
_END_S = 120.0


@dataclass(frozen=True)
class Load:
    name: str
    streams: int
    pace: Mapping[str, float]


@dataclass(frozen=True)
class Run:
    """What one load came to; times in milliseconds."""

    cpu_ms: float
    memory_mib: float
    first_ms: Sequence[float]
    chunk_ms: Sequence[float]
    lost: int
    doubled: int
    out_of_order: int
    cuts: int
    without_end: int
    parts: Mapping[str, float]

    @classmethod
    def unknown(cls) -> Self:
        nan = math.nan
        return cls(nan, nan, (nan, nan), (nan, nan), 0, 0, 0, 0, 0, {})


_WARM_UP = Load("warm up", 20, {"rate": RATE, "seconds": 4.0})


def loads() -> list[Load]:
    paced = [
        Load(f"{count} x {RATE}/s", count, {"rate": RATE, "seconds": seconds})
        for count, seconds in SECONDS.items()
    ]
    return [*paced, Load(f"{FLOOD_STREAMS} that flood", FLOOD_STREAMS, {"chunks": FLOOD_CHUNKS})]


def measure(ground: Ground, chosen: Sequence[str] = ()) -> list[Figure]:
    """`chosen` are words of the loads' names; without any, all."""
    figures = []
    with ExitStack() as stack:
        passers = {
            name: stack.enter_context(passthrough.running(name, ground.agent_url))
            for name in _PASSERS
        }
        # A runtime that compiles as it goes is measured when it has.
        for number, load in enumerate([_WARM_UP, *loads()]):
            if number and chosen and not set(chosen) & set(load.name.split()):
                continue
            ours = _platform(ground, load)
            beside = {
                name: None if found is None else _passed(ground, load, *found)
                for name, found in passers.items()
            }
            figures += _figures(load, ours, beside) if number else []
    return figures


def _platform(ground: Ground, load: Load) -> Run:
    sessions = ground.sessions[: load.streams]
    streams = [
        {
            "path": session.events,
            "headers": session.headers,
            "number": number,
            "is_session": True,
        }
        for number, session in enumerate(sessions)
    ]
    ground.viewers.ask("open", host="127.0.0.1", port=ground.port(), streams=streams)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(_begin, sessions, range(len(sessions))))
    before = cpu_each_s(ground)

    def parts() -> Mapping[str, float]:
        return {name: now - before[name] for name, now in cpu_each_s(ground).items()}

    return _run(ground, load, ground.pids, parts)


def _begin(session: Session, number: int) -> None:
    session.say(f"[[hold]]{number}")


def _passed(ground: Ground, load: Load, pids: list[int], port: int) -> Run:
    streams = [
        {"path": f"/stream/{number}", "headers": {}, "number": number, "is_session": False}
        for number in range(load.streams)
    ]
    ground.viewers.ask("open", host="127.0.0.1", port=port, streams=streams)
    return _run(ground, load, pids, dict)


def _run(
    ground: Ground, load: Load, pids: list[int], parts: Callable[[], Mapping[str, float]]
) -> Run:
    agent, viewers = ground.agent, ground.viewers
    wait_until("every stream stands", lambda: agent.ask("waiting")["waiting"] == load.streams)
    before, helpers = cpu_s(pids), cpu_s([agent.pid, viewers.pid])
    sent = agent.ask("go", size=SIZE, **load.pace)["sent"]
    total = sum(sent.values())
    _settle(viewers, total)
    spent = cpu_s(pids) - before
    each = {**parts(), "helpers": cpu_s([agent.pid, viewers.pid]) - helpers}
    memory = memory_mib(pids)
    agent.ask("finish")
    without_end = _without_end(viewers, load.streams)
    seen = viewers.ask("close", sent=sent)
    return Run(
        cpu_ms=spent * 1e6 / total,
        memory_mib=memory,
        parts={name: round(spent * 1e6 / total, 1) for name, spent in each.items()},
        without_end=without_end,
        **seen,
    )


def _without_end(viewers: Helper, streams: int) -> int:
    """How many streams do not end, the store given time for all answers at once."""
    ended = 0

    def have_all() -> bool:
        nonlocal ended
        ended = int(viewers.ask("count")["ended"])
        return ended == streams

    with suppress(TimeoutError):
        wait_until("every stream ends", have_all, _END_S)
    return streams - ended


def _settle(viewers: Any, total: int) -> None:
    """Until all has come, or nothing comes any more."""
    last = -1

    def is_still() -> bool:
        nonlocal last
        last = int(viewers.ask("count")["chunks"])
        return last >= total

    try:
        wait_until("every chunk", is_still, _STUCK_S)
    except TimeoutError:
        print(f"only {last} of {total} chunks came", file=sys.stderr)


def _figures(load: Load, ours: Run, beside: Mapping[str, Run | None]) -> list[Figure]:
    name = f"chat, {load.name}"
    for whose, run in {"platform": ours, **beside}.items():
        print(f"{name}, {whose}: {run}", file=sys.stderr)
    is_paced = "rate" in load.pace
    cpu_most = 1.5 if load.streams == 100 and is_paced else None
    late_most = 1.0 if load.streams >= 100 and is_paced else None
    node = beside["node"] or Run.unknown()
    cpus = {f"CPU per 1000 chunks, {passer}": run.cpu_ms for passer, run in beside.items() if run}
    faults = {"lost": ours.lost, "doubled": ours.doubled, "out of order": ours.out_of_order}
    faults["without end"] = ours.without_end
    return [
        _beside(
            f"{name}, CPU per 1000 chunks",
            ours.cpu_ms,
            node.cpu_ms,
            cpu_most,
            "at most 1.5 x Node",
        ),
        *(Figure(f"{name}, {word}", value, "ms") for word, value in cpus.items()),
        _beside(f"{name}, chunk p50", ours.chunk_ms[0], node.chunk_ms[0]),
        _beside(
            f"{name}, chunk p99", ours.chunk_ms[1], node.chunk_ms[1], late_most, "not above Node's"
        ),
        _beside(f"{name}, first chunk p50", ours.first_ms[0], node.first_ms[0]),
        _beside(f"{name}, first chunk p99", ours.first_ms[1], node.first_ms[1]),
        _beside(f"{name}, memory", ours.memory_mib, node.memory_mib, unit="MiB"),
        *(
            Figure(f"{name}, {word}", count, "", goal="0", ok=count == 0)
            for word, count in faults.items()
        ),
    ]


def _beside(
    name: str,
    value: float,
    baseline: float,
    most: float | None = None,
    goal: str | None = None,
    unit: str = "ms",
) -> Figure:
    """Without a baseline, which is nan then, nothing is judged."""
    if math.isnan(baseline):
        return Figure(name, value, unit)
    ratio = value / baseline
    if most is None:
        return Figure(name, value, unit, baseline, ratio)
    return Figure(name, value, unit, baseline, ratio, goal, ratio <= most)
