"""One starter per stack: a lock that its holder's death frees."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from local_platform.stack.layout import Layout


class BusyError(Exception):
    """Another process starts or stops this stack; `pid` is 0 where it is not known."""

    def __init__(self, pid: int) -> None:
        super().__init__(pid)
        self.pid = pid


@contextmanager
def held(layout: Layout) -> Iterator[None]:
    """Hold the lock. Raises BusyError at once when somebody else does."""
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).strip()
            raise BusyError(int(holder) if holder.isdigit() else 0) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
