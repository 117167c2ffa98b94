"""A lean client of NATS' protocol, for journals alone: it publishes, and calls back with bodies.

Every chunk that an agent says goes through here twice. A general client makes a message, a queue
item and a switch of tasks of each; here a callback is called while what one read brought is
parsed, and what is published within `_GATHER_S` goes out in one write, which saves the server and
every reader a wake-up for each. Everything else a service says on the bus goes through nats-py.

A connection that breaks is made again for ever and subscribes anew; what was published meanwhile
is kept up to a bound, what was delivered meanwhile is missed (`interruptions`).
"""

import asyncio
import contextlib
import itertools
import json
import logging
import random
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

logger = logging.getLogger(__name__)

OnBody = Callable[[bytes], None]

_GATHER_S = 0.003
_GATHER_BYTES = 64 * 1024
_BUSY_RATE = 2000.0
"""Messages a second from which on gathering is worth the wait."""

_SHORTEST_S = 0.0001
_FRESH = 0.1
"""How much of the rate the last write counts."""

_PENDING_BYTES = 8 * 1024 * 1024
_HIGH_WATER = 1024 * 1024
_OPEN_S = 5.0
_RETRY_S = 0.5
_PING_EVERY_S = 10.0
_MOST_UNANSWERED = 2
_PORT = 4222
_END = b"\r\n"


class WireError(Exception):
    """The server is away or refused; the text holds no credentials."""


class Parser:
    """From bytes as they arrive to messages and lines of control.

    Headers are never asked for, so every message is a `MSG`.
    """

    def __init__(
        self, on_message: Callable[[bytes, bytes], None], on_line: Callable[[bytes], None]
    ) -> None:
        self._on_message = on_message
        self._on_line = on_line
        self._rest = b""

    def feed(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        at = 0
        while (line := data.find(_END, at)) >= 0:
            if not data.startswith(b"MSG ", at):
                self._on_line(data[at:line])
                at = line + 2
                continue
            words = data[at:line].split(b" ")
            start = line + 2
            stop = start + int(words[-1])
            if stop + 2 > len(data):
                break
            self._on_message(words[2], data[start:stop])
            at = stop + 2
        self._rest = data[at:] if at else data


class Wire:
    """One connection; `open_wire` makes it."""

    def __init__(self, url: str, name: str, *, ca_file: Path | None = None) -> None:
        self.interruptions = 0
        servers = [_server(one) for one in url.split(",")]
        self._options = _options(servers[0], name)
        # In an order of its own: else every process would load the same server of a cluster.
        self._servers = random.sample(servers, len(servers))
        self._tls = _tls(url, ca_file)
        self._handlers: dict[bytes, tuple[bytes, OnBody]] = {}
        self._numbers = itertools.count(1)
        self._link: _Link | None = None
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._flushing: asyncio.TimerHandle | asyncio.Handle | None = None
        self._flushed_at = self._rate = 0.0
        self._is_closed = False
        self._is_there = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._holding = asyncio.ensure_future(self._hold())

    async def ready(self) -> None:
        """Wait for the first connection, for as long as it takes."""
        await self._is_there.wait()

    def publish(self, subject: bytes, body: bytes) -> bool:
        """Send the body soon; False when the server reads more slowly than that, and `room` should
        be waited for. Raises WireError when no more can be kept.
        """
        if self._waiting_bytes > _PENDING_BYTES:
            message = "the message bus is away and no more can be kept for it"
            raise WireError(message)
        packet = b"PUB %b %d\r\n%b\r\n" % (subject, len(body), body)
        self._waiting.append(packet)
        self._waiting_bytes += len(packet)
        if self._flushing is None:
            self._flushing = self._later()
        elif self._waiting_bytes > _GATHER_BYTES:
            self._flush()
            return self._link is None or self._link.can_write.is_set()
        return True

    async def room(self) -> None:
        """Wait while the server is there and reads more slowly than is said."""
        if self._link is not None:
            await self._link.can_write.wait()

    def subscribe(self, subject: bytes, on_body: OnBody) -> bytes:
        """Call back with each body from now on; the number is for `unsubscribe`."""
        number = b"%d" % next(self._numbers)
        self._handlers[number] = (subject, on_body)
        self._say(b"SUB %b %b\r\n" % (subject, number))
        return number

    def unsubscribe(self, number: bytes) -> None:
        if self._handlers.pop(number, None) is not None:
            self._say(b"UNSUB %b\r\n" % number)

    async def flush(self, *, within_s: float = _OPEN_S) -> None:
        """Wait until the server has all that was said before. Raises WireError."""
        try:
            async with asyncio.timeout(within_s):
                await self._is_there.wait()
                self._flush()
                while self._waiting:
                    await self._is_there.wait()
                    await self.room()
                    self._flush()
                if self._link is not None:
                    await self._link.ping()
        except TimeoutError as exc:
            message = "the message bus does not answer"
            raise WireError(message) from exc

    async def close(self) -> None:
        """What waits is sent first, if the server is there."""
        with contextlib.suppress(WireError):
            if self._link is not None:
                await self.flush(within_s=1.0)
        self._is_closed = True
        self._holding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._holding

    def _say(self, line: bytes) -> None:
        if self._link is not None:
            self._flush()
            self._link.write(line)

    def _later(self) -> asyncio.TimerHandle | asyncio.Handle:
        """A flush at the end of this turn of the loop, or when busy in `_GATHER_S`."""
        if self._rate >= _BUSY_RATE:
            early = self._flushed_at + _GATHER_S - time.monotonic()
            if early > 0:
                return self._loop.call_later(early, self._flush)
        return self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        if not self._waiting or self._link is None or not self._link.can_write.is_set():
            return
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        now = time.monotonic()
        rate = len(waiting) / max(now - self._flushed_at, _SHORTEST_S)
        self._rate += (rate - self._rate) * _FRESH
        self._flushed_at = now
        self._link.write(waiting[0] if len(waiting) == 1 else b"".join(waiting))

    async def _hold(self) -> None:
        """Connect to one server after the other, for ever."""
        for server in itertools.cycle(self._servers):
            try:
                link = await self._connect(server)
            except (OSError, TimeoutError, WireError) as exc:
                logger.warning("NATS: no journals yet: %s", type(exc).__name__)
                await asyncio.sleep(_RETRY_S)
                continue
            try:
                await link.keep_alive()
            finally:
                self._link = None
                self._is_there.clear()
                link.close()
            logger.warning("NATS: journals are disconnected")
            self.interruptions += 1

    async def _connect(self, server: SplitResult) -> "_Link":
        link, host = _Link(self._on_message, self._flush), server.hostname or ""
        async with asyncio.timeout(_OPEN_S):
            await self._loop.create_connection(lambda: link, host, server.port or _PORT)
            try:
                await link.greet(self._options, self._tls, host)
            except BaseException:
                link.close()
                raise
        link.write(b"".join(b"SUB %b %b\r\n" % (s, n) for n, (s, _) in self._handlers.items()))
        self._link = link
        self._flush()
        self._is_there.set()
        return link

    def _on_message(self, number: bytes, body: bytes) -> None:
        found = self._handlers.get(number)
        if found is None:
            return
        try:
            found[1](body)
        except Exception:
            logger.exception("a message of a journal was not taken")


class _Link(asyncio.Protocol):
    """One TCP connection to one server."""

    def __init__(
        self, on_message: Callable[[bytes, bytes], None], on_room: Callable[[], None]
    ) -> None:
        self.can_write = asyncio.Event()
        self.can_write.set()
        self._on_message = on_message
        self._on_room = on_room
        self._loop = asyncio.get_running_loop()
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self._info: asyncio.Future[None] = self._loop.create_future()
        self._pongs: deque[asyncio.Future[None]] = deque()
        self._parse = Parser(on_message, self._on_line).feed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(_HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        self._parse(data)

    def pause_writing(self) -> None:
        self.can_write.clear()

    def resume_writing(self) -> None:
        self.can_write.set()
        self._on_room()

    def connection_lost(self, _: Exception | None) -> None:
        self.can_write.set()
        lost = WireError("the connection to the message bus broke")
        for waiting in (self._info, *self._pongs):
            if not waiting.done():
                waiting.set_exception(lost)
                # Nobody may be waiting any more.
                waiting.exception()
        if not self._lost.done():
            self._lost.set_result(None)

    def write(self, data: bytes) -> None:
        # What is written to a connection that breaks at this moment is lost either way.
        if not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        self._transport.abort()

    async def greet(self, options: bytes, tls: ssl.SSLContext | None, host: str) -> None:
        """Say who we are, and wait until the server accepts it."""
        await self._info
        if tls is not None:
            secured = await self._loop.start_tls(self._transport, self, tls, server_hostname=host)
            self.connection_made(cast("asyncio.Transport", secured))
        self.write(options)
        await self.ping()

    async def ping(self) -> None:
        """Wait for the answer to a PING. Raises WireError."""
        if self._lost.done():
            message = "the connection to the message bus broke"
            raise WireError(message)
        await asyncio.shield(self._pinged())

    async def keep_alive(self) -> None:
        """Until the connection is lost; a server that does not answer is left. Only the pings sent
        here count: any number of others may be on their way.
        """
        sent: list[asyncio.Future[None]] = []
        while True:
            began = self._loop.time()
            done, _ = await asyncio.wait([self._lost], timeout=_PING_EVERY_S)
            if not done and self._loop.time() - began > 1.5 * _PING_EVERY_S:
                # This process was held up, so it may not have read what the server answered.
                continue
            sent = [pong for pong in sent if not pong.done()]
            if done or len(sent) >= _MOST_UNANSWERED:
                return
            sent.append(self._pinged())

    def _pinged(self) -> asyncio.Future[None]:
        """Done when the server has answered."""
        pong: asyncio.Future[None] = self._loop.create_future()
        self._pongs.append(pong)
        self.write(b"PING\r\n")
        return pong

    def _on_line(self, line: bytes) -> None:
        if line.startswith(b"PONG"):
            pong = self._pongs.popleft() if self._pongs else None
            if pong is not None and not pong.done():
                pong.set_result(None)
        elif line.startswith(b"PING"):
            self.write(b"PONG\r\n")
        elif line.startswith(b"INFO") and not self._info.done():
            self._info.set_result(None)
        elif line.startswith(b"-ERR"):
            logger.warning("NATS: %s", line[5:].decode(errors="replace"))


@asynccontextmanager
async def open_wire(url: str, name: str, *, ca_file: Path | None = None) -> AsyncIterator[Wire]:
    """A connection as `name` to one of the servers in `url`, separated by commas; waits for a
    server that is not up yet.
    """
    wire = Wire(url, name, ca_file=ca_file)
    try:
        await wire.ready()
        yield wire
    finally:
        await wire.close()


def _server(url: str) -> SplitResult:
    return urlsplit(url if "://" in url else f"nats://{url}")


def _tls(url: str, ca_file: Path | None) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=ca_file) if url.startswith("tls://") else None


def _options(server: SplitResult, name: str) -> bytes:
    options: dict[str, Any] = {
        "verbose": False,
        "pedantic": False,
        "name": f"{name} journals",
        "lang": "python-lean",
        "version": "1",
        "protocol": 1,
        "headers": False,
    }
    if server.username is not None and server.password is not None:
        options |= {"user": server.username, "pass": server.password}
    return b"CONNECT %b\r\n" % json.dumps(options).encode()
