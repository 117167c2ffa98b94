"""What the person at the terminal reads."""

import contextlib
import sys
import time
from typing import TextIO


class Console:
    """Lines with the time since the start; faults go to standard error."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def say(self, text: str = "") -> None:
        _write(sys.stdout, f"{text}\n")

    def step(self, text: str) -> None:
        self.say(f"{time.monotonic() - self._start:7.1f} s  {text}")

    def fault(self, text: str) -> None:
        _write(sys.stderr, f"\n{text}\n")


def _write(stream: TextIO, text: str) -> None:
    # A terminal that has gone must not keep the platform from being stopped.
    with contextlib.suppress(OSError):
        stream.write(text)
        stream.flush()
