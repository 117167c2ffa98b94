"""One WebSocket to `hermes serve`: calls with answers, and events in the batches they came in."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from chat_proxy.errors import AgentLostError, AgentRefusedError, AgentUnknownError

Message = dict[str, Any]

_CALL_S = 30.0
_OPEN_S = 20.0
_HEARTBEAT_S = 60.0
_LARGEST = 32 * 1024 * 1024
_UNKNOWN_SESSION = frozenset({4001, 4007})


class HermesSocket:
    """Reads in a task of its own. `on_batch` gets the events of each read, None at the end."""

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        on_batch: Callable[[list[Message] | None, int], None],
    ) -> None:
        self._socket = socket
        self._on_batch = on_batch
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._last_id = 0
        self._batch: list[Message] = []
        self._batch_size = 0
        self._loop = asyncio.get_running_loop()
        self._reading = asyncio.ensure_future(self._read())

    @property
    def is_open(self) -> bool:
        return not self._socket.closed and not self._reading.done()

    async def call(self, method: str, **params: Any) -> Message:
        """The result. Raises AgentUnknownError, AgentRefusedError or AgentLostError."""
        number = self._next_id()
        answer: asyncio.Future[Message] = self._loop.create_future()
        self._waiting[number] = answer
        try:
            await self._send(number, method, params)
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

    async def tell(self, method: str, **params: Any) -> None:
        """Send without waiting for the result."""
        await self._send(self._next_id(), method, params)

    async def close(self) -> None:
        self._reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reading
        await self._socket.close()

    async def _send(self, number: int, method: str, params: Message) -> None:
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        try:
            await self._socket.send_str(json.dumps(request))
        except (aiohttp.ClientError, ConnectionError, RuntimeError) as exc:
            raise _lost() from exc

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._take(message.data)
        finally:
            self._hand_over()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(_lost())
            self._on_batch(None, 0)

    def _take(self, data: str) -> None:
        message = _parsed(data)
        number = message.get("id")
        answer = self._waiting.get(number) if isinstance(number, int) else None
        if answer is not None and not answer.done():
            # What came before the answer must be seen before it.
            self._hand_over()
            answer.set_result(message)
        elif "method" in message:
            if not self._batch:
                # Runs when the reader next has to wait: all of one read comes as one batch.
                self._loop.call_soon(self._hand_over)
            params = message.get("params")
            self._batch.append(params if isinstance(params, dict) else {})
            self._batch_size += len(data)

    def _hand_over(self) -> None:
        if self._batch:
            batch, size = self._batch, self._batch_size
            self._batch, self._batch_size = [], 0
            self._on_batch(batch, size)


async def connect(
    http: aiohttp.ClientSession,
    url: str,
    headers: Mapping[str, str],
    on_batch: Callable[[list[Message] | None, int], None],
) -> HermesSocket:
    """Open. Raises AgentLostError, whose text never holds the address: that is a secret."""
    try:
        async with asyncio.timeout(_OPEN_S):
            socket = await http.ws_connect(
                url, headers=headers, heartbeat=_HEARTBEAT_S, max_msg_size=_LARGEST
            )
    except aiohttp.WSServerHandshakeError as exc:
        message = f"the agent refused the connection with status {exc.status}"
        raise AgentLostError(message) from None
    except (aiohttp.ClientError, OSError, TimeoutError) as exc:
        message = f"the agent cannot be reached ({type(exc).__name__})"
        raise AgentLostError(message) from None
    return HermesSocket(socket, on_batch)


def _parsed(data: str) -> Message:
    """The message; what is none is passed over."""
    try:
        message = json.loads(data)
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
