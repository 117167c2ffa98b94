"""The relay's HTTP surface: routes, and what is done for each call."""

import contextlib
import logging
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from common.clock import Clock
from common.health import Check, health_app

from chat_proxy.relay.access import Access, Target
from chat_proxy.relay.answer import PassingAnswer, is_stream, pass_whole
from chat_proxy.relay.errors import (
    RefusedError,
    bad_request,
    cap_reached,
    starting,
    too_many,
)
from chat_proxy.relay.request import body_of, for_model, token_of
from chat_proxy.relay.upstream import Call, Upstream
from chat_proxy.relay.usage import Meter, UsageStore

logger = logging.getLogger(__name__)

_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,199}")


@dataclass(frozen=True)
class Limits:
    max_body_bytes: int
    concurrent_per_owner: int
    daily_token_cap: int | None = None


class Relay:
    """The calls of sandboxes, one method for each route."""

    def __init__(
        self,
        *,
        access: Access,
        upstream: Upstream,
        usage: UsageStore,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._access = access
        self._upstream = upstream
        self._usage = usage
        self._limits = limits
        self._clock = clock
        self._running = Counter[str]()

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """A chat completion; the owner's settings decide the model."""
        target = await self._access.target(token_of(request))
        await self._check_cap(target)
        async with self._slot(target):
            body = await body_of(request, most=self._limits.max_body_bytes)
            body, wants_stream = for_model(body, target.model)
            accept = "text/event-stream" if wants_stream else "application/json"
            call = Call("POST", "/chat/completions", body, accept, wants_stream)
            return await self._forward(request, target, call)

    async def list_models(self, request: web.Request) -> web.StreamResponse:
        """What the provider offers, in its own words."""
        return await self._ask(request, "/models")

    async def get_model(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if not _MODEL_ID.fullmatch(name) or ".." in name:
            message = "This is no name of a model."
            raise bad_request(message)
        return await self._ask(request, f"/models/{name}")

    async def _ask(self, request: web.Request, path: str) -> web.StreamResponse:
        target = await self._access.target(token_of(request))
        async with (
            self._slot(target),
            self._upstream.send(target, Call("GET", path)) as answer,
        ):
            return await pass_whole(target, answer, idle_s=self._upstream.timeouts.idle_s)

    async def _forward(
        self, request: web.Request, target: Target, call: Call
    ) -> web.StreamResponse:
        times, began = self._upstream.timeouts, time.monotonic()
        async with self._upstream.send(target, call) as answer:
            if answer.status != 200:
                if answer.status in {401, 403}:
                    self._access.forget_keys(target.owner_id)
                self._log(target, answer.status, began)
                return await pass_whole(target, answer, idle_s=times.idle_s)
            meter = Meter(request_bytes=len(call.body or b""), is_stream=is_stream(answer))
            first_byte_s = times.until_first_byte(is_stream=call.is_stream)
            try:
                return await PassingAnswer(request, target, meter).run(
                    answer, first_byte_s=first_byte_s, idle_s=times.idle_s
                )
            finally:
                # Also when the sandbox has gone: what was said is paid for.
                await self._usage.add(target, meter.tokens(), self._clock())
                self._log(target, answer.status, began)

    async def _check_cap(self, target: Target) -> None:
        cap = self._limits.daily_token_cap
        if cap is not None and await self._usage.total(target.owner_id, self._clock()) >= cap:
            raise cap_reached(cap)

    @contextlib.asynccontextmanager
    async def _slot(self, target: Target) -> AsyncIterator[None]:
        """One of the calls that an owner may have at once."""
        most = self._limits.concurrent_per_owner
        if self._running[target.owner_id] >= most:
            raise too_many(most)
        self._running[target.owner_id] += 1
        try:
            yield
        finally:
            self._running[target.owner_id] -= 1
            if not self._running[target.owner_id]:
                del self._running[target.owner_id]

    def _log(self, target: Target, status: int, began: float) -> None:
        extra = {
            "owner_id": target.owner_id,
            "sandbox_id": target.sandbox_id,
            "provider": target.provider.name,
            "status": status,
            "duration_ms": round((time.monotonic() - began) * 1000),
        }
        logger.info("relayed", extra=extra)


class Door:
    """Lets nobody in until there is a relay behind it: the port is open before NATS is."""

    def __init__(self) -> None:
        self.relay: Relay | None = None

    def app(self, checks: dict[str, Check]) -> web.Application:
        app = health_app({**checks, "relay": self._is_open})
        app.router.add_post("/llm/v1/chat/completions", self._to(Relay.complete))
        app.router.add_get("/llm/v1/models", self._to(Relay.list_models))
        app.router.add_get("/llm/v1/models/{name:.+}", self._to(Relay.get_model))
        app.router.add_route("*", "/llm/{rest:.*}", self._to(_nothing_here))
        return app

    async def _is_open(self) -> None:
        if self.relay is None:
            raise starting()

    def _to(
        self, handler: Callable[[Relay, web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                if self.relay is None:
                    raise starting()
                return await handler(self.relay, request)
            except RefusedError as exc:
                logger.info("refused: %s", exc.code, extra={"status": exc.status})
                return web.json_response(exc.body(), status=exc.status)

        return handle


async def _nothing_here(_: Relay, __: web.Request) -> web.StreamResponse:
    message = "The model relay serves chat/completions and models only."
    raise RefusedError(404, "not_found", message)
