"""An agent that costs next to nothing: it speaks the wire form of `hermes serve` (JSON-RPC over
WebSocket) and, for what only passes bytes on, a plain event stream.

It listens where chat-proxy looks for the previews of sandboxes. A prompt that says `[[hold]]` is
answered when the benchmark says so, all streams at one pace; any other at once. In `tap` mode it
is the wire to the real agents, and notes when they were asked and when they answered.

    python -m bench.chatpath.agent <host> <port> <port of the real previews>
"""

import asyncio
import base64
import hashlib
import itertools
import json
import sys
import time
from collections.abc import Callable
from typing import Any, cast

import uvloop

from bench.chatpath.commands import Answer, serve

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_FILLER = "the quick brown fox jumps over the lazy dog and does it all again " * 8
_HELD = "[[hold]]"
_WORD = "ready"
_CONTRACT = 4
_HIGH_WATER = 256 * 1024
_INFO = {"desktop_contract": _CONTRACT, "usage": {}}
_numbers = itertools.count(1)


def frame(text: str) -> bytes:
    """One unmasked WebSocket text frame."""
    body = text.encode()
    size = len(body)
    if size < 126:
        return bytes((0x81, size)) + body
    if size < 65536:
        return bytes((0x81, 126)) + size.to_bytes(2, "big") + body
    return bytes((0x81, 127)) + size.to_bytes(8, "big") + body


class Stream:
    """Somebody waits for chunks here; `number` tells the viewers whose they are."""

    def __init__(
        self, transport: asyncio.Transport, wrap: Callable[[str], bytes], number: int
    ) -> None:
        self.transport = transport
        self.number = number
        self.sent = 0
        self.can_write = asyncio.Event()
        self.can_write.set()
        self._wrap = wrap
        self._texts: list[str] = []

    def send(self, size: int) -> None:
        mark = f"#{self.number},{self.sent},{time.monotonic_ns()};"
        text = mark + _FILLER[: size - len(mark)]
        self.sent += 1
        self._texts.append(text)
        self.transport.write(self._wrap(text))

    def take_text(self) -> str:
        text, self._texts = "".join(self._texts), []
        return text


class Agent:
    """All connections; `streams` are those that wait to be told to send."""

    def __init__(self, previews_port: int) -> None:
        self.previews_port = previews_port
        self.streams: dict[int, tuple[Stream, Callable[[str], None]]] = {}
        self.is_tapped = False
        self.asked_at = 0
        self.answered_at = 0

    async def waiting(self, _: Answer) -> Answer:
        return {"waiting": len(self.streams)}

    async def go(self, told: Answer) -> Answer:
        """Send to every stream that waits: `rate` chunks a second for `seconds`, or, without a
        rate, `chunks` as fast as they are taken.
        """
        streams = [stream for stream, _ in self.streams.values()]
        size, rate = told["size"], told.get("rate")
        if rate:
            await _paced(streams, size, rate, told["seconds"])
        else:
            await asyncio.gather(*(_flood(one, size, told["chunks"]) for one in streams))
        return {"sent": {stream.number: stream.sent for stream in streams}}

    async def finish(self, _: Answer) -> Answer:
        """End every stream."""
        streams, self.streams = self.streams, {}
        for stream, end in streams.values():
            end(stream.take_text())
        return {}

    async def tap(self, told: Answer) -> Answer:
        self.is_tapped = told["on"]
        return {}

    async def forget(self, _: Answer) -> Answer:
        self.asked_at = self.answered_at = 0
        return {}

    async def tapped(self, _: Answer) -> Answer:
        """When the real agent was last asked, and when it first answered after that."""
        return {"asked_ns": self.asked_at, "answered_ns": self.answered_at}


async def _paced(streams: list[Stream], size: int, rate: float, seconds: float) -> None:
    """Each stream has its own place in the interval, so that they do not send all at once."""
    interval = 1 / rate
    step = interval / len(streams)
    begin = time.monotonic()
    for number in range(int(seconds * rate) * len(streams)):
        early = begin + number * step - time.monotonic()
        if early > 0:
            await asyncio.sleep(early)
        streams[number % len(streams)].send(size)


async def _flood(stream: Stream, size: int, chunks: int) -> None:
    for number in range(chunks):
        if number % 16 == 0:
            await asyncio.sleep(0)
        await stream.can_write.wait()
        stream.send(size)


class Connection(asyncio.Protocol):
    """One client of the agent."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._buffer = b""
        self._take: Callable[[], None] = self._take_head
        self._stream: Stream | None = None
        self._live_id = f"live{next(_numbers)}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(_HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._take()

    def pause_writing(self) -> None:
        if self._stream is not None:
            self._stream.can_write.clear()

    def resume_writing(self) -> None:
        if self._stream is not None:
            self._stream.can_write.set()

    def connection_lost(self, _: Exception | None) -> None:
        if self._stream is not None:
            self._agent.streams.pop(id(self._stream), None)
            self._stream.can_write.set()

    def _take_head(self) -> None:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        if self._agent.is_tapped:
            self._take = lambda: None
            Tap(self._agent, self._transport, self._buffer)
            return
        self._buffer = rest
        path = head.split(b" ", 2)[1]
        if path.startswith(b"/stream/"):
            self._begin_plain(int(path.rpartition(b"/")[2]))
        else:
            self._upgrade(head)

    def _begin_plain(self, number: int) -> None:
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        self._wait(_plain, number, lambda _: self._transport.write(b"0\r\n\r\n"))

    def _upgrade(self, head: bytes) -> None:
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        key = next(value for name, value in fields.items() if name.lower() == b"sec-websocket-key")
        accept = base64.b64encode(hashlib.sha1(key + _MAGIC).digest())
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self._take = self._take_frames
        self._tell("gateway.ready", {})
        self._take()

    def _take_frames(self) -> None:
        while (found := _unframed(self._buffer)) is not None:
            opcode, payload, self._buffer = found
            if opcode == 0x1:
                self._on_call(json.loads(payload))
            elif opcode == 0x9:
                self._transport.write(bytes((0x8A, len(payload))) + payload)
            elif opcode == 0x8:
                self._transport.write(b"\x88\x00")
                self._transport.close()

    def _on_call(self, call: dict[str, Any]) -> None:
        method, params = call["method"], call.get("params") or {}
        result: dict[str, Any] = {}
        if method in {"session.create", "session.resume"}:
            name = params.get("session_id") or f"stored-{self._live_id}"
            result = {
                "session_id": self._live_id,
                "stored_session_id": name,
                "messages": [],
                "running": False,
                "info": _INFO,
            }
        elif method == "prompt.submit":
            result = {"status": "streaming"}
        reply = {"jsonrpc": "2.0", "id": call["id"], "result": result}
        self._transport.write(frame(json.dumps(reply)))
        if method == "prompt.submit":
            self._on_prompt(params["text"])

    def _on_prompt(self, text: str) -> None:
        self._tell("message.start", {})
        if _HELD not in text:
            self._tell("message.delta", {"text": _WORD})
            self._complete(_WORD)
            return
        number = int(text.rpartition(_HELD)[2])
        self._wait(_Framed(self._live_id), number, self._complete)

    def _wait(self, wrap: Callable[[str], bytes], number: int, end: Callable[[str], None]) -> None:
        self._stream = Stream(self._transport, wrap, number)
        self._agent.streams[id(self._stream)] = (self._stream, end)

    def _complete(self, text: str) -> None:
        usage = {"input": 1, "output": 1, "total": 2, "calls": 1}
        self._tell("message.complete", {"text": text, "status": "complete", "usage": usage})

    def _tell(self, type_: str, payload: dict[str, Any]) -> None:
        params = {"type": type_, "session_id": self._live_id, "payload": payload}
        event = {"jsonrpc": "2.0", "method": "event", "params": params}
        self._transport.write(frame(json.dumps(event)))


class _Framed:
    """A chunk as `hermes serve` sends it."""

    def __init__(self, live_id: str) -> None:
        self._head = (
            '{"jsonrpc": "2.0", "method": "event", "params": {"type": "message.delta",'
            f' "session_id": "{live_id}", "payload": {{"text": "'
        )

    def __call__(self, text: str) -> bytes:
        return frame(f'{self._head}{text}"}}}}}}')


def _plain(text: str) -> bytes:
    body = f"data: {text}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(body), body)


def _unframed(data: bytes) -> tuple[int, bytes, bytes] | None:
    """Opcode, payload and rest of a client's frame, or None before all of it is there."""
    if len(data) < 6:
        return None
    size, at = data[1] & 0x7F, 2
    if size >= 126:
        at = 4 if size == 126 else 10
        size = int.from_bytes(data[2:at], "big")
    if len(data) < at + 4 + size:
        return None
    mask, body = data[at : at + 4], data[at + 4 : at + 4 + size]
    key = (mask * (size // 4 + 1))[:size]
    plain = int.from_bytes(body, "big") ^ int.from_bytes(key, "big")
    return data[0] & 0x0F, plain.to_bytes(size, "big"), data[at + 4 + size :]


class Tap(asyncio.Protocol):
    """The other end of a connection that is passed on to the real previews."""

    def __init__(self, agent: Agent, client: asyncio.Transport, first: bytes) -> None:
        self._agent = agent
        self._client = client
        self._first = first
        client.pause_reading()
        self._connecting = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, "127.0.0.1", self._agent.previews_port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        upstream = cast("asyncio.Transport", transport)
        upstream.write(self._first)
        self._client.set_protocol(_Asking(self._agent, upstream))
        self._client.resume_reading()

    def data_received(self, data: bytes) -> None:
        if not self._agent.answered_at and b'"message.delta"' in data:
            self._agent.answered_at = time.monotonic_ns()
        self._client.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        self._client.close()


class _Asking(asyncio.Protocol):
    """A client whose bytes go to the real previews."""

    def __init__(self, agent: Agent, upstream: asyncio.Transport) -> None:
        self._agent = agent
        self._upstream = upstream

    def data_received(self, data: bytes) -> None:
        # The last that was sent before the first answer is the prompt.
        if not self._agent.answered_at:
            self._agent.asked_at = time.monotonic_ns()
        self._upstream.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        self._upstream.close()


async def main(host: str, port: str, previews_port: str) -> None:
    agent = Agent(int(previews_port))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(agent), host, int(port), backlog=2048)
    names = ("waiting", "go", "finish", "tap", "tapped", "forget")
    async with server:
        await serve({name: getattr(agent, name) for name in names})


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
