"""The three launch paths at the HTTP edge, beside a bare Hermes on the same machine in the same
run.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from local_platform.visitor import Visitor

from bench.figures import Figure, percentile

RUNS = 20
LaunchPath = Literal["instant", "install", "create"]
SKILL = """---
name: {name}
description: A small skill that exists to be installed, number {number}.
---

# {name}

Answer with the word {name}.
"""


def write_skills(root: Path, count: int) -> list[str]:
    """`count` small skills below `root`; their references."""
    names = [f"bench-{number}" for number in range(count)]
    for number, name in enumerate(names):
        directory = root / name
        directory.mkdir(parents=True)
        (directory / "SKILL.md").write_text(SKILL.format(name=name, number=number))
    return [str(root / name) for name in names]


def launch_ms(visitor: Visitor, ref: str, expected: LaunchPath) -> float:
    """From the request until the launch is ready, which must be by the expected path."""
    started = time.perf_counter()
    launch = visitor.launched(ref)
    took = (time.perf_counter() - started) * 1000
    if (launch["state"], launch["path"]) != ("ready", expected):
        message = f"not {expected} but {launch['path']}: {launch['state']} {launch['error']}"
        raise RuntimeError(message)
    return took


def round_trip_ms(visitor: Visitor) -> float:
    started = time.perf_counter()
    visitor.get("/healthz")
    return (time.perf_counter() - started) * 1000


def measure(visitors: Sequence[Visitor], refs: Sequence[str], bare_ms: float) -> list[Figure]:
    """The three launch paths; the baseline of all is a bare Hermes from start to `/health`."""
    one = visitors[0]
    for ref in refs:
        one.http.get("/api/skills/resolve", params={"ref": ref}).raise_for_status()
    creates = [launch_ms(visitor, refs[0], "create") for visitor in visitors]
    for visitor in visitors[1:]:
        visitor.http.delete("/api/sandbox").raise_for_status()
    installs = [launch_ms(one, ref, "install") for ref in refs[1:]]
    instants = [launch_ms(one, refs[0], "instant") for _ in range(RUNS)]
    edge = [round_trip_ms(one) for _ in range(RUNS)]
    create_goal = bare_ms * 1.3 + 1000
    return [
        Figure("http edge, GET /healthz, p50", percentile(edge, 50), "ms"),
        *_pair("instant launch", instants, bare_ms, 15.0, "under 15 ms"),
        *_pair("install launch", installs, bare_ms, 1000.0, "under 1 s"),
        *_pair("create launch", creates, bare_ms, create_goal, "under 1.3 x bare + 1 s"),
    ]


def _pair(
    name: str, values: Sequence[float], baseline: float, limit: float, goal: str
) -> list[Figure]:
    return [
        Figure(
            name=f"{name}, p{percent}",
            value=(value := percentile(values, percent)),
            unit="ms",
            baseline=baseline,
            ratio=value / baseline,
            goal=goal if percent == 50 else None,
            ok=value < limit if percent == 50 else None,
        )
        for percent in (50, 95)
    ]
