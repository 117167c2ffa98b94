"""A provider in trouble: a proxy before the sandbox host that loses one call, or says what it is
told to say.

Lost before it arrives, or with its answer, when it has been done. A call is known by what it asks
and by how many of its kind came before, so that a run without losses tells all there are.
"""

import asyncio
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web

MOMENTS = ("request", "answer")
RETRIES_S = 0.6
"""The SDK repeats some calls at once when a connection breaks; those are lost, too."""

_NAMES = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "{id}"),
    (re.compile(r"tryskills-[0-9a-z-]+"), "{name}"),
)
_HOP = frozenset({"connection", "transfer-encoding", "content-length", "content-encoding"})


@dataclass(frozen=True)
class Call:
    """The `number`th call of its kind."""

    kind: str
    number: int


@dataclass(frozen=True)
class Answer:
    """What a provider in trouble says."""

    status: int
    body: Any = field(default_factory=lambda: {"message": "trouble"})
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Lossy:
    host_port: int
    port: int = 0
    seen: list[Call] = field(default_factory=list)
    loses: tuple[Call, str] | None = None
    lost: int = 0
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    """Of each kind of call, what is answered to the next ones in the host's place."""

    def begin(self, loses: tuple[Call, str] | None = None) -> None:
        """Count anew, and lose this one."""
        self.seen, self.loses, self.lost, self.answers = [], loses, 0, {}
        self._kinds, self._until = Counter[str](), 0.0

    async def __aenter__(self) -> Self:
        self.begin()
        self._http = aiohttp.ClientSession(auto_decompress=False)
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()
        await self._http.close()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        if "socket.io" in request.path:
            return web.Response(status=404)
        moment = self._moment(_kind(request))
        body = await request.read()
        if waiting := self.answers.get(_kind(request)):
            given = waiting.pop(0)
            return web.json_response(given.body, status=given.status, headers=given.headers)
        if moment != "request":
            answer = await self._ask(request, body)
        if moment is None:
            return answer
        self.lost += 1
        # The client may have given up by itself.
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def said(self, path: str, key: str) -> Any:
        """What the host itself answers to a GET."""
        url = f"http://127.0.0.1:{self.host_port}{path}"
        headers = {"Authorization": f"Bearer {key}"}
        async with self._http.get(url, headers=headers) as answer:
            return await answer.json()

    def _moment(self, kind: str) -> str | None:
        """When this call is lost, if it is."""
        self._kinds[kind] += 1
        call = Call(kind, self._kinds[kind])
        self.seen.append(call)
        if self.loses is None or self.loses[0].kind != kind:
            return None
        if self.loses[0] == call:
            self._until = time.monotonic() + RETRIES_S
        return self.loses[1] if time.monotonic() < self._until else None

    async def _ask(self, request: web.Request, body: bytes) -> web.Response:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
        url = f"http://127.0.0.1:{self.host_port}{request.path_qs}"
        async with self._http.request(
            request.method, url, data=body, headers=headers, allow_redirects=False
        ) as answer:
            text = await answer.read()
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP}
            # What the host says of its own address leads through here, too.
            text = text.replace(
                f"127.0.0.1:{self.host_port}/toolbox".encode(),
                f"127.0.0.1:{self.port}/toolbox".encode(),
            )
            return web.Response(status=answer.status, headers=kept, body=text)


def _kind(request: web.Request) -> str:
    path = request.path
    for pattern, name in _NAMES:
        path = pattern.sub(name, path)
    return f"{request.method} {path}"


async def drained(lossy: Lossy, pause_s: float = 0.5) -> list[Call]:
    """The calls seen, once none has come for a while."""
    while True:
        before = len(lossy.seen)
        await asyncio.sleep(pause_s)
        if len(lossy.seen) == before:
            return list(lossy.seen)
