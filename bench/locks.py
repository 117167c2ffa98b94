"""How many create locks are asked for in a second, and that each has one winner."""

import json
import subprocess
import sys
from pathlib import Path

from bench.figures import Figure

ROUNDS = 20
PROGRAM = Path(__file__).parents[1] / "services/sandbox-manager/tests/chaos/locks.py"


def measure() -> list[Figure]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(ROUNDS)], capture_output=True, text=True, check=False
    )
    told = json.loads(done.stdout)
    name = f"create lock, {told['callers']} callers at once"
    is_one = set(told["winners"]) == {1}
    return [
        Figure(f"{name}, asked", told["asked_per_second"], "/s"),
        Figure(f"{name}, most winners", max(told["winners"]), "", goal="1", ok=is_one),
    ]
