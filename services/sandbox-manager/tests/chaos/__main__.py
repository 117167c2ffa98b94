"""Break everything around a launch, enumerated, and count what is left.

    cd services/sandbox-manager/tests && python -m chaos [words of a case] [--into chaos.json]

Killed: the service, before and after each step of the step tables. Lost: each call to the
provider, and each of its answers. Then a launch must have ended, with at most one sandbox at the
provider, and that one recorded; nothing is left that no record explains. Locks: 1,000 callers in
four processes ask for one, and exactly one gets it, twenty times.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable
from dataclasses import asdict
from pathlib import Path

from chaos import killed, locks, lost
from chaos.stage import Count, World, running
from common.testing.chaos import add_part

LOCK_ROUNDS = 20


async def all_cases(wanted: str) -> Count:
    count = Count()
    async with running() as world:
        for path, step, moment in killed.LAUNCHES:
            if wanted in f"{path} killed {moment} {step}":
                await _told(killed.launch(world, path, step, moment, count), count)
        for change, step, moment in killed.CHANGES:
            if wanted in f"{change} killed {moment} {step}":
                await _told(killed.change(world, change, step, moment, count), count)
        async with lost.serving(world):
            for scene in lost.SCENES:
                await _lost(world, scene, count, wanted)
    if wanted in "locks":
        await _told(_locks(count), count)
    return count


async def _locks(count: Count) -> None:
    """A lock that two launches got would be a sandbox doubled."""
    measured = await locks.measure(LOCK_ROUNDS)
    count.cases += LOCK_ROUNDS
    count.doubled += sum(winners - 1 for winners in measured.winners)


async def _lost(world: World, scene: lost.Scene, count: Count, wanted: str) -> None:
    if wanted and not f"{scene.name} lost".startswith(wanted):
        return
    for call, moment in await lost.cases_of(world, scene):
        await _told(lost.case(world, scene, call, moment, count), count)


async def _told(case: Awaitable[None], count: Count) -> None:
    started, before = time.monotonic(), len(count.problems)
    await case
    took = time.monotonic() - started
    problems = "; ".join(count.problems[before:]) or "clean"
    sys.stdout.write(f"{count.cases:4}  {took:5.1f} s  {problems}\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("wanted", nargs="?", default="", help="only cases whose name holds this")
    parser.add_argument("--into", type=Path, help="a JSON file to which the figures are added")
    asked = parser.parse_args(arguments)
    count = asyncio.run(all_cases(asked.wanted))
    result = {name: value for name, value in asdict(count).items() if name != "problems"}
    sys.stdout.write(f"{json.dumps(result)}\n")
    for line in count.problems:
        sys.stdout.write(f"problem: {line}\n")
    if asked.into is not None:
        add_part(asked.into, "launches", result)
    return 0 if count.is_clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
