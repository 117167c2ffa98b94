"""A relay on a free port with a provider behind it that does what a test says."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import aiohttp
from aiohttp import web
from common.contracts.keys import GET_SETTINGS, REVEAL, OwnerSettings, Revealed
from common.contracts.sandbox import AUTHORIZE_RELAY, RelayGrant
from common.ids import new_id
from common.testing.bus import FakeServices
from common.testing.fakes import StoppedClock
from pydantic import SecretStr

from chat_proxy.model.usage import CallFailure, Origin, Tokens
from chat_proxy.ports import Usage
from chat_proxy.relay.access import Access
from chat_proxy.relay.app import Door
from chat_proxy.relay.directory import BusDirectory
from chat_proxy.relay.egress import EgressPolicy
from chat_proxy.relay.relaying import Limits, Relay
from chat_proxy.relay.upstream import Timeouts, Upstream

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

OWNER, KEY = new_id("own"), "sk-real-0123456789"
AUTH = {"Authorization": "Bearer relay-token"}
ASKED: dict[str, Any] = {"model": "whatever", "messages": [], "stream": True}
SSE = {"Content-Type": "text/event-stream"}
JSON = {"Content-Type": "application/json"}
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5}}\n\n'
DONE = b"data: [DONE]\n\n"
SESSION, TURN = new_id("ses"), new_id("tur")
OF_SESSION: dict[str, Any] = {
    **ASKED,
    "messages": [{"role": "system", "content": f"Current working directory: /work/{SESSION}"}],
}


@dataclass(frozen=True)
class Counted:
    """A call as it was written down; `outcome` is what it cost or how it failed."""

    origin: Origin
    provider: str
    model: str
    outcome: Tokens | CallFailure
    at: datetime


@dataclass
class FakeCalls:
    """`CallLog` and `Usage` as far as the relay needs them; one turn runs, the session's."""

    written: list[Counted] = field(default_factory=list)
    days: set[str] = field(default_factory=set)
    used: dict[str, int] = field(default_factory=dict)
    caps: dict[str, int] = field(default_factory=dict)
    recorded: asyncio.Event = field(default_factory=asyncio.Event)

    async def origin(self, owner_id: str, session_id: str | None) -> Origin:
        return Origin(owner_id, session_id, TURN if session_id else None)

    async def add(
        self, origin: Origin, provider: str, model: str, tokens: Tokens, at: datetime
    ) -> None:
        self.written.append(Counted(origin, provider, model, tokens, at))
        self.recorded.set()

    async def fail(self, origin: Origin, failure: CallFailure, model: str, at: datetime) -> None:
        self.written.append(Counted(origin, failure.provider, model, failure, at))

    @property
    def tokens(self) -> list[Tokens]:
        return [one.outcome for one in self.written if isinstance(one.outcome, Tokens)]

    @property
    def failures(self) -> list[CallFailure]:
        return [one.outcome for one in self.written if isinstance(one.outcome, CallFailure)]

    async def total(self, owner_id: str, day: str) -> int:
        self.days.add(day)
        return self.used.get(owner_id, 0)

    async def cap(self, owner_id: str) -> int | None:
        return self.caps.get(owner_id)


@dataclass
class RelayWorld:
    """A relay, the provider behind it, and the sandbox's client in front."""

    stack: AsyncExitStack
    services: FakeServices = field(default_factory=FakeServices)
    calls: FakeCalls = field(default_factory=FakeCalls)
    seen: list[web.Request] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    handler: Handler | None = None
    provider_url: str = ""
    relay_url: str = ""
    session: aiohttp.ClientSession = field(init=False)

    async def start(
        self,
        *,
        allow_private: bool = True,
        idle_s: float = 30,
        first_byte_s: float = 30,
        limits: Limits | None = None,
    ) -> None:
        provider = web.Application(client_max_size=2**26)
        provider.router.add_route("*", "/{rest:.*}", self._provide)
        self.provider_url = await self.listen(provider) + "/v1"
        times = Timeouts(5, first_byte_s, first_byte_s, idle_s)
        upstream = Upstream(EgressPolicy(allow_private=allow_private), times)
        self.stack.push_async_callback(upstream.close)
        door = Door()
        door.relay = Relay(
            access=Access(BusDirectory(self.services), demo_url=self.provider_url),
            upstream=upstream,
            calls=self.calls,
            usage=cast("Usage", self.calls),
            limits=limits or Limits(max_body_bytes=100_000, concurrent_per_owner=4),
            clock=StoppedClock(),
        )
        self.relay_url = await self.listen(door.app({}))
        self.session = await self.stack.enter_async_context(aiohttp.ClientSession())
        self.services.answer(AUTHORIZE_RELAY, RelayGrant(owner_id=OWNER, sandbox_id="sbx_1"))
        self.services.answer(REVEAL, Revealed(value=SecretStr(KEY), version=1))
        self.choose(self.provider_url)

    def choose(self, base_url: str) -> None:
        self.services.answer(
            GET_SETTINGS,
            OwnerSettings(provider="custom", model="the-owners-model", base_url=base_url),
        )

    def choose_demo(self) -> None:
        self.services.answer(GET_SETTINGS, OwnerSettings(provider="demo", model="demo"))

    def post(self, body: object = ASKED, **headers: str) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.session.post(
            f"{self.relay_url}/llm/v1/chat/completions", data=data, headers={**AUTH, **headers}
        )

    async def _provide(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        if request.method == "POST":
            self.bodies.append(await request.json())
        assert self.handler is not None
        return await self.handler(request)

    async def listen(self, app: web.Application) -> str:
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"


def says(*chunks: bytes, status: int = 200, headers: dict[str, str] = SSE) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        return response

    return handle


async def error_of(answer: aiohttp.ClientResponse) -> tuple[int, str, str]:
    error = (await answer.json())["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return answer.status, error["code"], error["message"]
