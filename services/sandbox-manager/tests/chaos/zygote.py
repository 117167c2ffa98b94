"""Forks sandbox-manager processes from one that has imported everything: a start takes no second.

Reads one line of JSON per process on its standard input, {"environment", "kill_at"}, and answers
with the child's process id.
"""

import asyncio
import json
import os
import signal
import sys

from sandbox_manager.main import run
from sandbox_manager.ports.own import StepProbe
from sandbox_manager.settings import load


class KillAt(StepProbe):
    """SIGKILLs its own process at one moment of one step."""

    def __init__(self, step: str, moment: str) -> None:
        self._at = (step, moment)

    async def at(self, step: str, moment: str) -> None:
        if (step, moment) == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


def child(asked: dict[str, object]) -> None:
    environment = asked["environment"]
    assert isinstance(environment, dict)
    os.environ |= environment
    kill_at = asked.get("kill_at")
    probe = KillAt(*kill_at) if isinstance(kill_at, list) else None
    asyncio.run(run(load(), probe))


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            child(json.loads(line))
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
