"""What is done for each call of a sandbox."""

import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from common.clock import Clock
from common.contracts.sandbox import RelayGrant
from common.errors import AppError
from common.metrics.table import OK, RELAY_CALLS, RELAY_FIRST_BYTE, RELAY_TOKENS
from common.telemetry.tracing import context_of, span
from opentelemetry.trace import SpanKind

from chat_proxy.model.usage import CallFailure, Origin, day_of, next_day, smallest
from chat_proxy.ports import CallLog, Usage
from chat_proxy.relay.access import Access, Target
from chat_proxy.relay.answer import (
    PassingAnswer,
    check_is_answer,
    check_is_api,
    is_stream,
    respond,
    whole_body,
)
from chat_proxy.relay.errors import (
    RefusedError,
    cap_reached,
    platform_unavailable,
    redirects,
    too_many,
)
from chat_proxy.relay.meter import Meter
from chat_proxy.relay.patience import Patience
from chat_proxy.relay.request import Asked, asked_in, body_of, token_of
from chat_proxy.relay.upstream import Call, Upstream
from chat_proxy.relay.verdict import judge

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    max_body_bytes: int
    concurrent_per_owner: int
    daily_tokens: int | None = None


class Relay:
    """The calls of sandboxes; every one is written down, the refused ones too."""

    def __init__(
        self,
        *,
        access: Access,
        upstream: Upstream,
        calls: CallLog,
        usage: Usage,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._access = access
        self._upstream = upstream
        self._calls = calls
        self._usage = usage
        self._limits = limits
        self._clock = clock
        self._patience = Patience()
        self._running = Counter[str]()

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """A chat completion; the owner's settings decide the model."""
        grant = await self._access.grant(token_of(request))
        async with self._slot(grant.owner_id):
            asked = asked_in(await body_of(request, most=self._limits.max_body_bytes))
            origin = await self._calls.origin(grant.owner_id, asked.session_id)
            trace = context_of(origin.traceparent)
            with span("relay chat/completions", kind=SpanKind.SERVER, parent=trace):
                return await self._completed(request, grant, origin, asked)

    async def _completed(
        self, request: web.Request, grant: RelayGrant, origin: Origin, asked: Asked
    ) -> web.StreamResponse:
        async with self._written(origin):
            self._patience.check(origin)
            await self._check_cap(grant)
            target = await self._access.target(grant)
        return await self._send(request, origin, target, asked)

    async def ask(self, request: web.Request, path: str) -> web.StreamResponse:
        """Something that costs nothing, in the provider's own words."""
        grant = await self._access.grant(token_of(request))
        target = await self._access.target(grant)
        async with (
            self._slot(grant.owner_id),
            self._upstream.send(target, Call("GET", path)) as answer,
        ):
            _check_place(target, answer)
            idle_s = self._upstream.timeouts.idle_s
            return respond(answer, await whole_body(target, answer, idle_s=idle_s), answer.status)

    async def _send(
        self, request: web.Request, origin: Origin, target: Target, asked: Asked
    ) -> web.StreamResponse:
        accept = "text/event-stream" if asked.is_stream else "application/json"
        body = asked.for_model(target.model)
        call = Call("POST", "/chat/completions", body, accept, asked.is_stream)
        with span("provider", kind=SpanKind.CLIENT, provider=target.provider.name):
            return await self._asked(request, origin, target, call)

    async def _asked(
        self, request: web.Request, origin: Origin, target: Target, call: Call
    ) -> web.StreamResponse:
        began = time.monotonic()
        async with (
            self._written(origin, target),
            self._upstream.send(target, call) as answer,
        ):
            waited = time.monotonic() - began
            RELAY_FIRST_BYTE.record(waited, provider=target.provider.name)
            try:
                _check_place(target, answer)
                if answer.status != 200:
                    return await self._refuse(origin, target, answer)
                check_is_api(target, answer)
                if call.is_stream and not is_stream(answer):
                    return await self._whole(origin, target, call, answer)
                return await self._pass(request, origin, target, call, answer)
            finally:
                _log(target, answer.status, began)

    async def _refuse(
        self, origin: Origin, target: Target, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        """The provider's refusal, or one in our words where the agent would take it wrongly."""
        if answer.status in {401, 403}:
            self._access.forget_keys(target.owner_id)
        now = self._clock()
        body = await whole_body(target, answer, idle_s=self._upstream.timeouts.idle_s)
        verdict = judge(target, answer.status, answer.headers, body, now)
        await self._calls.fail(origin, verdict.failure, target.model, now)
        RELAY_CALLS.add(provider=target.provider.name, code=verdict.failure.code)
        if verdict.body is None:
            return respond(answer, body, verdict.status)
        return web.Response(
            status=verdict.status, body=verdict.body, content_type="application/json"
        )

    async def _pass(
        self,
        request: web.Request,
        origin: Origin,
        target: Target,
        call: Call,
        answer: aiohttp.ClientResponse,
    ) -> web.StreamResponse:
        times = self._upstream.timeouts
        meter = Meter(request_bytes=len(call.body or b""), is_stream=is_stream(answer))
        counted = False

        async def count() -> None:
            nonlocal counted
            if not counted:
                counted = True
                await self._count(origin, target, meter, passing.failure)

        passing = PassingAnswer(request, target, meter, count)
        first_byte_s = times.until_first_byte(is_stream=call.is_stream)
        try:
            return await passing.run(answer, first_byte_s=first_byte_s, idle_s=times.idle_s)
        except RefusedError:
            counted = True
            raise
        finally:
            # Also when the sandbox has gone: what was said is paid for.
            await count()

    async def _whole(
        self, origin: Origin, target: Target, call: Call, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        """A stream was asked for and a whole answer came."""
        body = await whole_body(target, answer, idle_s=self._upstream.timeouts.idle_s)
        check_is_answer(target, body)
        meter = Meter(request_bytes=len(call.body or b""), is_stream=False)
        meter.feed(body)
        await self._count(origin, target, meter, None)
        return respond(answer, body, answer.status)

    async def _count(
        self, origin: Origin, target: Target, meter: Meter, failure: RefusedError | None
    ) -> None:
        now, provider = self._clock(), target.provider.name
        tokens = meter.tokens()
        await self._calls.add(origin, provider, target.model, tokens, now)
        RELAY_TOKENS.add(tokens.input, provider=provider, direction="input")
        RELAY_TOKENS.add(tokens.output, provider=provider, direction="output")
        if failure is None:
            RELAY_CALLS.add(provider=provider, code=OK)
        else:
            await self._fail(origin, target, failure)

    async def _fail(self, origin: Origin, target: Target | None, error: RefusedError) -> None:
        self._patience.note(origin, error)
        provider, model = (target.provider.name, target.model) if target else ("", "")
        failure = CallFailure(error.reason, error.message, provider, error.retry_at)
        await self._calls.fail(origin, failure, model, self._clock())
        RELAY_CALLS.add(provider=provider or "none", code=error.reason)

    @contextlib.asynccontextmanager
    async def _written(self, origin: Origin, target: Target | None = None) -> AsyncIterator[None]:
        """What is refused inside is written down as how the call failed."""
        try:
            yield
        except RefusedError as exc:
            await self._fail(origin, target, exc)
            raise

    async def _check_cap(self, grant: RelayGrant) -> None:
        """The cap refuses the next turn, and never cuts a running one: here it only stops what
        an agent does by itself, between turns.
        """
        if grant.in_use:
            return
        try:
            cap = await self._used_up(grant.owner_id)
        except AppError as exc:
            raise platform_unavailable(exc) from exc
        if cap is not None:
            raise cap_reached(cap, next_day(self._clock()))

    async def _used_up(self, owner_id: str) -> int | None:
        """The owner's cap, if it is reached."""
        cap = smallest(self._limits.daily_tokens, await self._usage.cap(owner_id))
        if cap is None:
            return None
        used = await self._usage.total(owner_id, day_of(self._clock()))
        return cap if used >= cap else None

    @contextlib.asynccontextmanager
    async def _slot(self, owner_id: str) -> AsyncIterator[None]:
        """One of the calls that an owner may have at once."""
        most = self._limits.concurrent_per_owner
        if self._running[owner_id] >= most:
            raise too_many(most)
        self._running[owner_id] += 1
        try:
            yield
        finally:
            self._running[owner_id] -= 1
            if not self._running[owner_id]:
                del self._running[owner_id]


def _check_place(target: Target, answer: aiohttp.ClientResponse) -> None:
    if 300 <= answer.status < 400:
        raise redirects(target.title)


def _log(target: Target, status: int, began: float) -> None:
    extra = {
        "owner_id": target.owner_id,
        "sandbox_id": target.sandbox_id,
        "provider": target.provider.name,
        "status": status,
        "duration_ms": round((time.monotonic() - began) * 1000),
    }
    logger.info("relayed", extra=extra)
