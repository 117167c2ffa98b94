"""1,000 concurrent `acquire_create_lock` over four processes, again and again: one winner each.

python services/sandbox-manager/tests/chaos/locks.py [rounds]
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from common import mongo
from common.clock import utc_now
from common.ids import new_id
from common.testing.servers import mongo_server
from sandbox_manager.adapters.mongo.sandboxes import MongoSandboxes
from sandbox_manager.model.record import Right
from sandbox_manager.model.sandbox import Sandbox

PROCESSES = 4
CALLERS = 250
DATABASE = "locks"


async def callers(uri: str, owner: str, start_at: float) -> int:
    """How many of this process's callers got the lock of `owner`; all begin at one moment."""
    client = mongo.open_client(uri)
    sandboxes = MongoSandboxes(client[DATABASE]["sandboxes"])

    async def acquire() -> bool:
        right = Right(holder=new_id("lau"), token=1)

        def take(sandbox: Sandbox) -> Sandbox | None:
            return sandbox.lock_for(right, create_id="c", name="n", now=utc_now())

        return await sandboxes.apply(owner, take) is not None

    await mongo.ping(client)
    await asyncio.sleep(max(start_at - time.time(), 0))
    won = sum(await asyncio.gather(*(acquire() for _ in range(CALLERS))))
    await client.close()
    return won


async def worker(uri: str) -> None:
    """One owner a line on standard input; answers with how many callers won."""
    for line in sys.stdin:
        asked = json.loads(line)
        sys.stdout.write(f"{await callers(uri, asked['owner'], asked['at'])}\n")
        sys.stdout.flush()


async def rounds(uri: str, count: int) -> tuple[list[int], float]:
    workers = [
        subprocess.Popen(
            [sys.executable, __file__, "worker", uri],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    winners, took = [], 0.0
    for _ in range(count):
        asked = json.dumps({"owner": new_id("own"), "at": time.time() + 0.3})
        begun = time.perf_counter() + 0.3
        for process in workers:
            assert process.stdin is not None
            process.stdin.write(f"{asked}\n")
            process.stdin.flush()
        won = 0
        for process in workers:
            assert process.stdout is not None
            won += int(await asyncio.to_thread(process.stdout.readline))
        winners.append(won)
        took += time.perf_counter() - begun
    for process in workers:
        process.communicate()
    return winners, took


@dataclass(frozen=True)
class Measured:
    """`winners`: how many callers got the lock, round by round."""

    callers: int
    winners: list[int]
    asked_per_second: int


async def measure(count: int) -> Measured:
    with tempfile.TemporaryDirectory(prefix="locks-") as folder:
        async with mongo_server(Path(folder)) as uri:
            await rounds(uri, 1)
            winners, took = await rounds(uri, count)
    asked = count * PROCESSES * CALLERS
    return Measured(PROCESSES * CALLERS, winners, round(asked / took))


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["worker"]:
        asyncio.run(worker(arguments[1]))
        return 0
    measured = asyncio.run(measure(int(arguments[0]) if arguments else 20))
    sys.stdout.write(f"{json.dumps(asdict(measured))}\n")
    return 0 if set(measured.winners) == {1} else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
