"""A completion as a response: whole, or as chunks; a client that goes away ends it.

Nothing is sent before there is something to say, so that what keeps the answer from beginning has
a proper status; after that a failure is the stream's last event.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from common.contracts.chat import Session
from common.errors import AppError
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.endpoints.leaving import unless_gone
from gateway.model import openai
from gateway.model.completion import Asked
from gateway.service.listening import Activity, Begun, Ended, Thoughts, Told, Words

_HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)
_KEEPALIVE = b": keepalive\n\n"

PageOf = Callable[[Session], str]


class Completion(Response):
    """`told` is run while the response is sent."""

    def __init__(
        self,
        asked: Asked,
        told: AsyncGenerator[Told, None],
        page_of: PageOf,
        *,
        keepalive: timedelta,
    ) -> None:
        super().__init__()
        self._asked = asked
        self._told = told
        self._wire = openai.Wire(asked.model)
        self._page_of = page_of
        self._keepalive_s = keepalive.total_seconds()
        self._facts: dict[str, Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._stream(send) if self._asked.is_stream else self._whole(scope, receive, send)
        await unless_gone(receive, answer)

    async def _whole(self, scope: Scope, receive: Receive, send: Send) -> None:
        thoughts: list[str] = []
        activity: list[Any] = []
        async with aclosing(self._told) as told:
            async for one in told:
                match one:
                    case Begun():
                        self._begin(one)
                    case Thoughts(text=text):
                        thoughts.append(text)
                    case Activity(entry=entry) if entry["type"] in _SUMMED:
                        activity.append(entry)
                    case Ended():
                        facts = {**self._facts, "activity": activity, "denied": list(one.denied)}
                        body = self._wire.completion(one.text, "".join(thoughts), one.usage, facts)
                    case _:
                        pass
        await JSONResponse(body)(scope, receive, send)

    async def _stream(self, send: Send) -> None:
        out = _Out(send)
        async with aclosing(self._told) as told:
            try:
                await self._pass(told, out)
            except AppError as exc:
                if not out.is_open:
                    raise
                await out.send(openai.error_body(exc))
        await out.close()

    async def _pass(self, told: AsyncGenerator[Told, None], out: "_Out") -> None:
        coming = asyncio.ensure_future(anext(told, None))
        try:
            while True:
                done, _ = await asyncio.wait({coming}, timeout=self._keepalive_s)
                if not done:
                    await out.keep_alive()
                    continue
                one = coming.result()
                if one is None:
                    return
                for frame in self._frames(one):
                    await out.send(frame)
                coming = asyncio.ensure_future(anext(told, None))
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    def _frames(self, one: Told) -> list[Any]:
        wire = self._wire
        match one:
            case Begun():
                self._begin(one)
                told = {"type": "session", **self._facts}
                role = {"role": "assistant", "content": ""}
                return [wire.chunk(role, more=told)]
            case Words(text=text):
                return [wire.chunk({"content": text})]
            case Thoughts(text=text):
                return [wire.chunk({"reasoning_content": text})]
            case Activity(entry=entry):
                return [wire.chunk({}, more=entry)]
            case Ended():
                usage = [wire.usage_chunk(one.usage)] if self._asked.with_usage else []
                return [wire.chunk({}, finish="stop"), *usage, openai.DONE]

    def _begin(self, begun: Begun) -> None:
        page = self._page_of(begun.session)
        self._wire.begun(begun.session, begun.turn.id)
        self._facts = openai.facts_of(begun.session, begun.turn.id, page)


_SUMMED = frozenset({"tool.completed", "notice"})


class _Out:
    """Server-sent events; opened by the first."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.is_open = False

    async def send(self, frame: Any) -> None:
        data = frame if isinstance(frame, str) else json.dumps(frame, separators=(",", ":"))
        await self._write(f"data: {data}\n\n".encode())

    async def keep_alive(self) -> None:
        await self._write(_KEEPALIVE)

    async def close(self) -> None:
        if self.is_open:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, body: bytes) -> None:
        if not self.is_open:
            self.is_open = True
            await self._send(
                {"type": "http.response.start", "status": 200, "headers": list(_HEADERS)}
            )
        await self._send({"type": "http.response.body", "body": body, "more_body": True})
