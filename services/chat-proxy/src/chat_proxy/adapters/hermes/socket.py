"""One WebSocket to `hermes serve`: calls with answers, and events in the batches they came in.

picows calls back for each frame while what one read brought is parsed: no task reads, and nothing
is switched to before a whole batch is there.
"""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from picows import (
    WSCloseCode,
    WSError,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,
)

from chat_proxy.errors import AgentLostError, AgentRefusedError, AgentUnknownError

Message = dict[str, Any]
OnBatch = Callable[[list[Message] | None, int], None]
Dial = Callable[[str, int], Awaitable[socket.socket | None]]
"""A connected socket to a host and port, or None for the usual way."""

_TEXT = WSMsgType.TEXT
_CALL_S = 30.0
_OPEN_S = 20.0
_HEARTBEAT_S = 60.0
_PONG_S = 30.0
_LARGEST = 32 * 1024 * 1024
_UNKNOWN_SESSION = frozenset({4001, 4007})


class HermesSocket(WSListener):
    """`on_batch` gets the events of each read, None at the end."""

    def __init__(self, on_batch: OnBatch) -> None:
        self._on_batch = on_batch
        self._transport: WSTransport | None = None
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._last_id = 0
        self._batch: list[Message] = []
        self._batch_size = 0
        self._is_due = False
        self._fragments: list[bytes] = []
        self._loop = asyncio.get_running_loop()

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_disconnected

    async def call(self, method: str, **params: Any) -> Message:
        """The result. Raises AgentUnknownError, AgentRefusedError or AgentLostError."""
        number = self._next_id()
        answer: asyncio.Future[Message] = self._loop.create_future()
        self._waiting[number] = answer
        try:
            self._send(number, method, params)
            async with asyncio.timeout(_CALL_S):
                reply = await answer
        except TimeoutError as exc:
            message = f"the agent did not answer {method}"
            raise AgentLostError(message) from exc
        finally:
            self._waiting.pop(number, None)
        if "error" in reply:
            raise _refusal(reply["error"])
        result = reply.get("result")
        return result if isinstance(result, dict) else {}

    def tell(self, method: str, **params: Any) -> None:
        """Send without waiting for the result."""
        self._send(self._next_id(), method, params)

    async def close(self) -> None:
        transport = self._transport
        if transport is not None and not transport.is_disconnected:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
            await transport.wait_disconnected()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        type_ = frame.msg_type
        if type_ is _TEXT and frame.fin:
            self._take(_parsed(frame.get_payload_as_memoryview()), frame.payload_size)
        elif type_ in {_TEXT, WSMsgType.CONTINUATION}:
            self._take_fragment(frame)
        elif type_ is WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        if frame.last_in_buffer:
            self._hand_over()
        elif self._batch and not self._is_due:
            # For a read that ends in the middle of a frame.
            self._is_due = True
            self._loop.call_soon(self._hand_over)

    def on_ws_disconnected(self, _: WSTransport) -> None:
        self._hand_over()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(_lost())
        self._on_batch(None, 0)

    def _send(self, number: int, method: str, params: Message) -> None:
        if self._transport is None or self._transport.is_disconnected:
            raise _lost()
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        self._transport.send(_TEXT, json.dumps(request))

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _take_fragment(self, frame: WSFrame) -> None:
        self._fragments.append(frame.get_payload_as_bytes())
        size = sum(map(len, self._fragments))
        if size > _LARGEST:
            raise _lost()
        if frame.fin:
            whole, self._fragments = b"".join(self._fragments), []
            self._take(_parsed(whole), size)

    def _take(self, message: Message, size: int) -> None:
        if "method" in message:
            params = message.get("params")
            self._batch.append(params if isinstance(params, dict) else {})
            self._batch_size += size
            return
        number = message.get("id")
        answer = self._waiting.get(number) if isinstance(number, int) else None
        if answer is not None and not answer.done():
            # What came before the answer must be seen before it.
            self._hand_over()
            answer.set_result(message)

    def _hand_over(self) -> None:
        self._is_due = False
        if self._batch:
            batch, size = self._batch, self._batch_size
            self._batch, self._batch_size = [], 0
            self._on_batch(batch, size)


async def connect(
    url: str, headers: Mapping[str, str], on_batch: OnBatch, *, dial: Dial
) -> HermesSocket:
    """Open; redirects are not followed. Raises AgentLostError, whose text never holds the address:
    that is a secret.
    """
    opened = HermesSocket(on_batch)
    try:
        async with asyncio.timeout(_OPEN_S):
            await ws_connect(
                lambda: opened,
                url,
                extra_headers=headers,
                websocket_handshake_timeout=_OPEN_S,
                max_redirects=0,
                max_frame_size=_LARGEST,
                enable_auto_ping=True,
                auto_ping_idle_timeout=_HEARTBEAT_S,
                auto_ping_reply_timeout=_PONG_S,
                use_aiofastnet=False,
                socket_factory=lambda to: dial(to.host, to.port),
            )
    except WSHandshakeError as exc:
        status = "" if exc.response is None else f" with status {int(exc.response.status)}"
        message = f"the agent refused the connection{status}"
        raise AgentLostError(message) from None
    except (WSError, OSError, TimeoutError) as exc:
        message = f"the agent cannot be reached ({type(exc).__name__})"
        raise AgentLostError(message) from None
    return opened


def _parsed(payload: bytes | memoryview) -> Message:
    """The message; what is none is passed over."""
    try:
        message = orjson.loads(payload)
    except orjson.JSONDecodeError:
        # Half a surrogate pair, and numbers that are none, are what Python writes and reads.
        try:
            message = json.loads(bytes(payload))
        except (ValueError, RecursionError):
            return {}
    return message if isinstance(message, dict) else {}


def _lost() -> AgentLostError:
    return AgentLostError("the connection to the agent broke")


def _refusal(error: Message) -> AgentRefusedError | AgentUnknownError:
    text = str(error.get("message") or "the agent refused")
    if error.get("code") in _UNKNOWN_SESSION:
        return AgentUnknownError(text)
    return AgentRefusedError(text)
