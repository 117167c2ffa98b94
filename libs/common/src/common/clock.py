"""The current time as a value that tests can hold still."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Now in UTC, cut to milliseconds: what MongoDB keeps, so that a stored time equals the one
    written.
    """
    return datetime.fromtimestamp(time.time_ns() // 1_000_000 / 1000, UTC)
