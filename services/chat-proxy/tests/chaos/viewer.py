"""A viewer of one session over plain sockets: cut after a random number of bytes, it comes back
with the number it has, at any gateway.

It believes nothing: each number must follow the one before.
"""

import asyncio
import contextlib
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httptools

_PAUSE_S = 0.3
_READ = 8192
_SILENT_S = 40.0
"""Longer than the keepalive of the gateway."""

OnEntry = Callable[[dict[str, Any]], None]


@dataclass
class Seen:
    """`texts` are the pieces of text by their number, `shown` what a reader sees of each turn."""

    last: int = 0
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    connections: int = 0
    errors: list[str] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)

    def take(self, entry: dict[str, Any]) -> None:
        first = entry.get("seq_from") or entry["seq"]
        if first > self.last + 1:
            self.lost += first - self.last - 1
        elif first <= self.last:
            self.doubled += self.last - first + 1
            self.out_of_order += entry["seq"] < self.last
        self.last = entry["seq"]
        self.entries.append(entry)

    def ended(self, turn_id: str) -> bool:
        return any(e["type"] == "turn.ended" and e["turn_id"] == turn_id for e in self.entries)

    def of_turn(self, turn_id: str) -> list[dict[str, Any]]:
        return [entry for entry in self.entries if entry["turn_id"] == turn_id]


def shown(entries: Sequence[dict[str, Any]]) -> str:
    """The text as a page shows it."""
    parts = [""]
    for entry in entries:
        if entry["type"] == "tool.started":
            parts.append("")
        elif entry["type"] == "text.replaced":
            parts[-1] = entry["text"]
        elif entry["type"] == "text":
            parts[-1] += entry["text"]
    return "".join(parts).strip()


class Viewer:
    """`cuts` are the least and most bytes between two cuts; None is never cut."""

    def __init__(
        self,
        session_id: str,
        ports: Sequence[int],
        *,
        chance: random.Random,
        cuts: tuple[int, int] | None = None,
        on_entry: OnEntry = lambda _: None,
        after: int = 0,
    ) -> None:
        self.seen = Seen(last=after)
        self._session_id = session_id
        self._ports = ports
        self._chance = chance
        self._cuts = cuts
        self._on_entry = on_entry

    async def follow(self, until: Callable[[Seen], bool]) -> None:
        """For as long as it takes."""
        while not until(self.seen):
            try:
                async with asyncio.timeout(None) as silence:
                    await self._connection(silence, until)
            except (OSError, TimeoutError, httptools.HttpParserError) as exc:
                self.seen.errors.append(type(exc).__name__)
            await asyncio.sleep(_PAUSE_S * self._chance.random())

    async def _connection(self, silence: asyncio.Timeout, until: Callable[[Seen], bool]) -> None:
        budget = self._chance.randint(*self._cuts) if self._cuts else 2**62
        port = self._chance.choice(self._ports)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        self.seen.connections += 1
        stream = _Stream()
        parser = httptools.HttpResponseParser(stream)
        try:
            writer.write(self._request(port))
            while budget > 0 and not stream.is_over and not until(self.seen):
                silence.reschedule(asyncio.get_running_loop().time() + _SILENT_S)
                data = await reader.read(min(_READ, budget))
                if not data:
                    return
                budget -= len(data)
                parser.feed_data(data)
                self._take(stream.events())
            if parser.get_status_code() != 200:
                self.seen.errors.append(str(parser.get_status_code()))
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _take(self, events: list[tuple[str, str]]) -> None:
        for kind, data in events:
            if kind == "error":
                self.seen.errors.append(json.loads(data)["code"])
            elif kind:
                entry = json.loads(data)
                self.seen.take(entry)
                self._on_entry(entry)

    def _request(self, port: int) -> bytes:
        lines = [
            f"GET /api/sessions/{self._session_id}/events HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            *([f"Last-Event-ID: {self.seen.last}"] if self.seen.last else []),
        ]
        return "\r\n".join([*lines, "", ""]).encode()


class _Stream:
    """Server-sent events out of a body that comes in pieces."""

    def __init__(self) -> None:
        self.is_over = False
        self._body = b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self.is_over = True

    def events(self) -> list[tuple[str, str]]:
        """Event and data of what is complete."""
        *whole, self._body = self._body.split(b"\n\n")
        found = []
        for block in whole:
            fields = dict(
                line.split(": ", 1) for line in block.decode().split("\n") if ": " in line
            )
            if "data" in fields:
                found.append((fields["event"], fields["data"]))
        return found
