"""Break everything around 200 answers that stream at once, and compare what every viewer was told
with what the agent said.

    cd services/chat-proxy/tests && python -m chaos [words of a fault] [--into chaos.json]

Each round is a turn in every session; in its middle one program is killed and started again. Every
session has a viewer that is cut after random numbers of bytes and resumes by number, at any of two
gateways, and one that is never cut on purpose. A third of the turns use tools, a fifth ask for an
approval, which two windows answer at once. At last the relay is killed under the real Hermes.
"""

import argparse
import asyncio
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import aiohttp
from common import mongo
from common.testing.chaos import add_part

from chaos import floods, relays
from chaos.count import Count
from chaos.crowd import Crowd, gathered
from chaos.faults import FAULTS
from chaos.stage import Stage, running

RELAY = "the relay killed"
FLOOD = "an agent that floods"
_LATE = 40
_SETTLED_S = 20


async def all_rounds(asked: argparse.Namespace) -> Count:
    count = Count()
    wanted = [name for name in FAULTS if asked.wanted in name]
    apart = [name for name in (FLOOD, RELAY) if asked.wanted in name]
    if not wanted and not apart:
        return count
    async with running(asked.logs) as stage, aiohttp.ClientSession() as http:
        if wanted:
            crowd = await gathered(stage, http, asked.sessions, asked.seed)
            for name in wanted:
                await _told(crowd, name, count)
            await crowd.late(count, _LATE)
        if FLOOD in apart:
            count.flood = await floods.measured(stage, http, asked.seed, count)
            count.problems += count.flood.problems
            sys.stdout.write(f"{FLOOD}: {count.flood}\n")
        if RELAY in apart:
            count.relay = await relays.killed(stage, http, asked.seed)
            sys.stdout.write(f"{RELAY}, apart: {count.relay}\n")
        count.left_over += await _unfinished(stage)
    return count


async def _told(crowd: Crowd, name: str, count: Count) -> None:
    started, before = time.monotonic(), len(count.problems)
    await crowd.round(name, FAULTS[name], count)
    took, found = time.monotonic() - started, count.problems[before:]
    sys.stdout.write(f"{name}: {took:.1f} s, {len(found)} problems\n")
    for problem in found[:5]:
        sys.stdout.write(f"    {problem}\n")
    sys.stdout.flush()


async def _unfinished(stage: Stage) -> int:
    """Turns that are not closed and approvals that are not ended when all is over."""
    client = mongo.open_client(stage.common["MONGODB_URI"])
    database = mongo.database_of(client, "chat-proxy")
    left = 0
    for _ in range(_SETTLED_S):
        left = await database["turns"].count_documents({"active": True})
        left += await database["approvals"].count_documents(
            {"state": {"$in": ["pending", "delivering"]}}
        )
        if left == 0:
            break
        await asyncio.sleep(1)
    await client.close()
    return left


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("wanted", nargs="?", default="", help="only faults whose name holds this")
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--into", type=Path, help="a JSON file to which the figures are added")
    parser.add_argument("--logs", type=Path, help="where the programs' logs are kept")
    asked = parser.parse_args(arguments)
    if asked.logs is not None:
        asked.logs.mkdir(parents=True, exist_ok=True)
    count = asyncio.run(all_rounds(asked))
    shown = {name: value for name, value in asdict(count).items() if name != "problems"}
    sys.stdout.write(f"seed {asked.seed}: {json.dumps(shown)}\n")
    for line in count.problems:
        sys.stdout.write(f"problem: {line}\n")
    if asked.into is not None:
        add_part(asked.into, "chat", shown)
    return 0 if count.is_clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
