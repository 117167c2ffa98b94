"""A viewer's journal as server-sent events: one raw ASGI response, no generator in between."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from common.errors import AppError, InvalidError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.endpoints.observed import RAW_SEND
from gateway.errors import problem
from gateway.model.frames import Frame, encode, encode_error
from gateway.service.viewing import TICK, Viewer, Viewers

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-store"),
    (b"x-accel-buffering", b"no"),
]
_RETRY_MS = 1000
_QUIET = b": keepalive\n\n"
MOST_AFTER = 2**53

Encode = Callable[[list[Frame]], bytes]


class EventStream(Response):
    """Sends what the viewer sees until its journal ends, the client goes, or the process drains.

    `rest_s` says how long to rest between two batches, for encodings that are dear.
    """

    def __init__(
        self,
        viewers: Viewers,
        viewer: Viewer,
        *,
        keepalive: timedelta,
        encode: Encode = encode,
        rest_s: Callable[[], float] | None = None,
    ) -> None:
        self.status_code = 200
        self.background = None
        self._viewers = viewers
        self._viewer = viewer
        self._quiet_ticks = max(1, int(keepalive / TICK))
        self._encode = encode
        self._rest_s = rest_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        streaming = asyncio.ensure_future(self._stream(send, scope.get(RAW_SEND, send)))
        leaving = asyncio.ensure_future(_until_gone(receive))
        self._viewer.on_stuck = leaving.cancel
        try:
            await asyncio.wait({streaming, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (streaming, leaving):
                task.cancel()
            await asyncio.wait({streaming, leaving})
            await self._viewers.close(self._viewer)
        if not streaming.cancelled():
            streaming.result()

    async def _stream(self, send: Send, raw_send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
        await self._send(raw_send, b"retry: %d\n\n" % _RETRY_MS)
        if self._rest_s is None:
            self._viewer.pass_on = lambda frame: _is_sent(raw_send, self._encode([frame]))
        async for frames in self._viewer.batches(quiet=self._quiet_ticks):
            announced = self._viewer.take_announced()
            body = self._encode(frames) if frames else b"" if announced else _QUIET
            if announced or body:
                await self._send(raw_send, body + announced)
            if self._rest_s is not None:
                await asyncio.sleep(self._rest_s())
        if self._viewer.error is not None:
            await self._send(raw_send, encode_error(problem(self._viewer.error)))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, body: bytes) -> None:
        self._viewer.is_sending = True
        await send({"type": "http.response.body", "body": body, "more_body": True})
        self._viewer.is_sending = False


def _is_sent(send: Send, body: bytes) -> bool:
    """Send without a task; False, and nothing is sent, when the client has to be waited for:
    uvicorn waits for it before it writes.
    """
    if not body:
        return True
    sending = send({"type": "http.response.body", "body": body, "more_body": True})
    try:
        sending.__await__().send(None)
    except StopIteration:
        return True
    return False


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def resume_from(last_event_id: str | None, after: int | None) -> int:
    """The number a client has; the header, which browsers send by themselves, comes first."""
    if not last_event_id:
        return after or 0
    if last_event_id.isascii() and last_event_id.isdigit() and int(last_event_id) <= MOST_AFTER:
        return int(last_event_id)
    raise _bad_number()


def _bad_number() -> AppError:
    return InvalidError("Last-Event-ID is a number that this stream has given")
