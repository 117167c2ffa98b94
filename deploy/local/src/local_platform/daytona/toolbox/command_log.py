"""The output of one session command: a file of marked chunks that readers can follow."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

STDOUT = b"\x01\x01\x01"
STDERR = b"\x02\x02\x02"
CHUNK = 64 * 1024


def split(marked: bytes) -> tuple[bytes, bytes]:
    """Standard output and standard error, each without its markers."""
    streams = {STDOUT: bytearray(), STDERR: bytearray()}
    current, rest = STDOUT, marked
    while rest:
        at, marker = min(
            ((rest.find(mark), mark) for mark in streams if mark in rest),
            default=(len(rest), current),
        )
        streams[current] += rest[:at]
        current, rest = marker, rest[at + len(marker) :]
    return bytes(streams[STDOUT]), bytes(streams[STDERR])


class CommandLog:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.closed = False
        self._grown = asyncio.Event()
        self._file = path.open("wb", buffering=0)

    def append(self, marker: bytes, chunk: bytes) -> None:
        """Keep a chunk; output that no longer fits on the disk is dropped."""
        if self.closed:
            return
        try:
            self._file.write(marker + chunk)
        except OSError:
            return
        self._wake()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._file.close()
            self._wake()

    def read(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""

    async def follow(self) -> AsyncIterator[bytes]:
        """Everything so far, then what comes, until the command has ended."""
        with self.path.open("rb") as file:
            while True:
                grown, closed = self._grown, self.closed
                if chunk := file.read(CHUNK):
                    yield chunk
                elif closed:
                    return
                else:
                    await grown.wait()

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()
