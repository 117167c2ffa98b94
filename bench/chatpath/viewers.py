"""Many clients that read event streams and keep count: what came late, twice, not at all.

python -m bench.chatpath.viewers
"""

import asyncio
import re
import time
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import uvloop

from bench.chatpath.commands import Answer, serve
from bench.figures import percentile

_MARK = re.compile(rb"#(\d+),(\d+),(\d+);")
_ID = re.compile(rb"^id: (\d+)$", re.M)
_ENDED = b"event: turn.ended"
_CUT = b"event: error"
_BEGUN = b"HTTP/1.1 200"


@dataclass
class Seen:
    """What came of one stream, by the numbers in its chunks."""

    number: int
    expected: int = 0
    doubled: int = 0
    out_of_order: int = 0
    missing: set[int] = field(default_factory=set)

    def take(self, number: int) -> None:
        if number == self.expected:
            self.expected += 1
        elif number > self.expected:
            self.missing.update(range(self.expected, number))
            self.expected = number + 1
        elif number in self.missing:
            self.missing.remove(number)
            self.out_of_order += 1
        else:
            self.doubled += 1

    @property
    def chunks(self) -> int:
        return self.expected - len(self.missing)


class Viewer(asyncio.Protocol):
    """One event stream over raw HTTP/1.1; it comes back by number when it is cut."""

    def __init__(self, viewers: "Viewers", told: Mapping[str, Any]) -> None:
        self._viewers = viewers
        self._told = told
        self._buffer = b""
        self._text = b""
        self._has_head = False
        self.after = viewers.after.get(told["path"], 0)
        self.seen = Seen(told["number"])
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_ended = False
        self.cuts = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        headers = {"Host": "{}:{}".format(*self._viewers.where), **self._told["headers"]}
        if self.after:
            headers["Last-Event-ID"] = str(self.after)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._transport.write(f"GET {self._told['path']} HTTP/1.1\r\n{lines}\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._has_head:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(_BEGUN):
                if rest:
                    self._refused(head, rest)
                return
            self._begin()
            self._buffer = rest
        self._take(time.monotonic_ns())

    def connection_lost(self, _: Exception | None) -> None:
        if not self.begun.done():
            self.begun.set_exception(ConnectionError("a viewer was not let in"))
        if not self.is_ended and not self._viewers.is_closing:
            self.cuts += 1
            self._buffer = self._text = b""
            self._has_head = False
            self._viewers.open_again(self)

    def close(self) -> None:
        self._transport.close()

    def _begin(self) -> None:
        self._has_head = True
        if not self.begun.done():
            self.begun.set_result(None)

    def _refused(self, head: bytes, rest: bytes) -> None:
        """Not let in the first time is a failure; later it is tried again."""
        if not self.begun.done():
            status, why = head.split(b"\r\n", 1)[0], rest[:500]
            self.begun.set_exception(ConnectionError(f"{status.decode()}: {why.decode()}"))
        self._transport.close()

    def _take(self, now: int) -> None:
        """Unchunk what is complete, and read the marks in whole events."""
        buffer, at, texts = self._buffer, 0, [self._text]
        while (line := buffer.find(b"\r\n", at)) >= 0:
            size = int(buffer[at:line], 16)
            if len(buffer) < line + size + 4:
                break
            texts.append(buffer[line + 2 : line + 2 + size])
            at = line + size + 4
            if size == 0:
                self.is_ended = self.is_ended or not self._told["is_session"]
        self._buffer = buffer[at:]
        whole, end, self._text = b"".join(texts).rpartition(b"\n\n")
        if end:
            self._read(whole, now)

    def _read(self, text: bytes, now: int) -> None:
        seen, late = self.seen, self._viewers.late_ms
        for _, number, sent in _MARK.findall(text):
            if number == b"0":
                self._viewers.first_ms.append((now - int(sent)) / 1e6)
            late.append((now - int(sent)) / 1e6)
            seen.take(int(number))
        if self._told["is_session"]:
            if (at := text.rfind(b"\nid: ")) >= 0 or text.startswith(b"id: "):
                found = _ID.search(text, max(at, 0))
                self.after = int(found[1]) if found else self.after
            if _ENDED in text:
                self.is_ended = True
                self._viewers.after[self._told["path"]] = self.after


class Viewers:
    def __init__(self) -> None:
        self.where: tuple[str, int] = ("127.0.0.1", 0)
        self.after: dict[str, int] = {}
        self.first_ms = array("d")
        self.late_ms = array("d")
        self.is_closing = False
        self._open: list[Viewer] = []
        self._tasks: set[asyncio.Future[Any]] = set()

    async def open(self, told: Answer) -> Answer:
        """Viewers of `streams`: each has a `path`, `headers`, a `number`, and is a session's or a
        plain one; answers when all have been let in.
        """
        self.is_closing = False
        self.where = (told["host"], told["port"])
        self._open = [Viewer(self, one) for one in told["streams"]]
        self.first_ms, self.late_ms = array("d"), array("d")
        slots = asyncio.Semaphore(20)

        async def enter(viewer: Viewer) -> None:
            async with slots:
                await self._connect(viewer)
                await asyncio.wait_for(viewer.begun, 60)

        await asyncio.gather(*map(enter, self._open))
        return {"open": len(self._open)}

    async def count(self, _: Answer) -> Answer:
        return {
            "chunks": sum(one.seen.chunks for one in self._open),
            "ended": sum(one.is_ended for one in self._open),
        }

    async def close(self, told: Answer) -> Answer:
        """End them; the figures, with `sent` chunks by stream as what should have come."""
        self.is_closing = True
        for viewer in self._open:
            viewer.close()
        lost = {number: sent for number, sent in told["sent"].items() if sent}
        seen = {str(one.seen.number): one.seen for one in self._open}
        return {
            "lost": sum(sent - seen[number].chunks for number, sent in lost.items()),
            "doubled": sum(one.doubled for one in seen.values()),
            "out_of_order": sum(one.out_of_order for one in seen.values()),
            "cuts": sum(one.cuts for one in self._open),
            "first_ms": [percentile(self.first_ms or [0.0], at) for at in (50, 99)],
            "chunk_ms": [percentile(self.late_ms or [0.0], at) for at in (50, 99)],
        }

    def open_again(self, viewer: Viewer) -> None:
        task: asyncio.Future[Any] = asyncio.ensure_future(self._again(viewer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _again(self, viewer: Viewer) -> None:
        await asyncio.sleep(0.2)
        await self._connect(viewer)

    async def _connect(self, viewer: Viewer) -> None:
        host, port = self.where
        await asyncio.get_running_loop().create_connection(lambda: viewer, host, port)


async def main() -> None:
    viewers = Viewers()
    await serve({name: getattr(viewers, name) for name in ("open", "count", "close")})


if __name__ == "__main__":
    uvloop.run(main())
