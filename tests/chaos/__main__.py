"""Kill replicas of every service, and servers of NATS, under a whole platform at work.

    python -m tests.chaos [replicas|nodes] [--into chaos.json] [--keep folder]

Three of each service behind a front door, a cluster of three servers of NATS, the store, real
sandboxes. Each person counts: what was asked for is there once, of every answer each number came
once and in order, and the stream of events tells the same.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common.testing.chaos import add_part, sums
from local_platform.crowd import Count

from .rounds import ROUNDS
from .stage import Spread, staged

_SHOWN = 20


async def all_rounds(asked: argparse.Namespace, directory: Path) -> dict[str, Count]:
    wanted = [name for name in ROUNDS if asked.wanted in name]
    counts: dict[str, Count] = {}
    if not wanted:
        return counts
    async with staged(directory) as stage:
        for name in wanted:
            began = time.monotonic()
            counts[name] = await ROUNDS[name](stage)
            _say(f"{name}: {time.monotonic() - began:.0f} s, {facts(counts[name])}")
            for reason in counts[name].reasons[:_SHOWN]:
                _say(f"  problem: {reason}")
        _tell(stage.spread)
    return counts


def _tell(spread: Spread) -> None:
    _say("work by process (requests, launches, turns, calls):")
    for service, by_process in spread.by_process().items():
        shares = ", ".join(f"{name} {number}" for name, number in by_process.items())
        _say(f"  {service}: {shares}")


def facts(count: Count) -> dict[str, Any]:
    """A failed answer or launch is one that was lost."""
    return {
        "launches": count.launches,
        "streams": count.streams,
        "entries": count.entries,
        "resumed": count.resumed,
        "retried": count.retried,
        "lost": count.lost + count.failed,
        "doubled": count.doubled,
        "out_of_order": count.out_of_order,
        "without_end": count.without_end,
    }


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("wanted", nargs="?", default="", help="only rounds whose name holds this")
    parser.add_argument("--into", type=Path, help="a JSON file to which the figures are added")
    parser.add_argument("--keep", type=Path, help="where the platform lies, logs and all")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        counts = asyncio.run(all_rounds(asked, asked.keep or Path(folder)))
    if asked.into is not None and counts:
        rounds = {name: {"cases": 1} | facts(one) for name, one in counts.items()}
        add_part(asked.into, "scale", {**sums(rounds.values()), "rounds": rounds})
    return 1 if any(count.faults for count in counts.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
