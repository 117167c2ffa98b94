"""A process tree that was started for one sandbox, and its certain end."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

TAIL_BYTES = 4096
GONE_WITHIN_S = 10.0


class Launched:
    """The outer process; in a namespace also the inner first one, whose end is everybody's."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._tail = b""
        self._reading = asyncio.ensure_future(self._read_tail())
        self._inner: int | None = None

    async def wait(self) -> None:
        await self._process.wait()

    async def ended(self) -> None:
        """Until the outer process has closed its standard error, which is its end."""
        await asyncio.shield(self._reading)

    def last_words(self) -> str:
        said = self._tail.decode(errors="replace").strip()
        return said.splitlines()[-1] if said else ""

    def hold(self) -> None:
        """Take hold of the namespace's first process, so that no other can be mistaken for it."""
        if self._inner is None:
            number = self._process.pid
            with suppress(OSError, ValueError, IndexError):
                children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
                self._inner = os.pidfd_open(int(children[0]))

    async def kill(self) -> None:
        """The kernel ends a namespace with its first process; wait until it has."""
        self.hold()
        if self._inner is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._inner, signal.SIGKILL)
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._inner_gone()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _inner_gone(self) -> None:
        if self._inner is None:
            return
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        loop.add_reader(self._inner, gone.set)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(GONE_WITHIN_S):
                    await gone.wait()
        finally:
            loop.remove_reader(self._inner)
            os.close(self._inner)
            self._inner = None

    async def _read_tail(self) -> None:
        """Keep the last words only: what a sandbox writes here must not fill the host."""
        while self._process.stderr and (chunk := await self._process.stderr.read(TAIL_BYTES)):
            self._tail = (self._tail + chunk)[-TAIL_BYTES:]
