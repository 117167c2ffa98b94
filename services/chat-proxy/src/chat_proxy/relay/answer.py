"""Passing a provider's answer on: as it comes, with the headers that mean something."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import aiohttp
from aiohttp import web

from chat_proxy.relay.access import Target
from chat_proxy.relay.errors import (
    RefusedError,
    cut_off,
    failed_inside,
    no_api,
    said_nothing,
    stopped_short,
    too_slow,
)
from chat_proxy.relay.meter import Flaw, Meter, error_in
from chat_proxy.relay.watch import SilenceLimit

logger = logging.getLogger(__name__)

_PASSED = frozenset({"content-type", "retry-after", "x-request-id", "request-id"})
_PASSED_PREFIXES = ("x-ratelimit-", "anthropic-ratelimit-")
_STREAM = "text/event-stream"
_PAGE = frozenset({"text/html", "application/xhtml+xml"})
_LONGEST_ERROR = 1024 * 1024
_LONGEST_LIST = 8 * 1024 * 1024
_LAST_WORD_S = 2.0
_HIDDEN = b"[key]"


def passed_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The provider's headers that are passed on; all others stay here, cookies above all."""
    return {
        name: value
        for name, value in headers
        if name.lower() in _PASSED or name.lower().startswith(_PASSED_PREFIXES)
    }


def is_stream(answer: aiohttp.ClientResponse) -> bool:
    return answer.content_type == _STREAM


async def whole_body(target: Target, answer: aiohttp.ClientResponse, *, idle_s: float) -> bytes:
    """A list, or an error in the provider's own words; a key that it repeats is blotted out."""
    most = _LONGEST_LIST if answer.status < 400 else _LONGEST_ERROR
    body = await _whole(target, answer, most=most, idle_s=idle_s)
    if target.key is not None:
        body = body.replace(target.key.get_secret_value().encode(), _HIDDEN)
    return body


def respond(answer: aiohttp.ClientResponse, body: bytes, status: int) -> web.Response:
    return web.Response(status=status, body=body, headers=passed_headers(answer.headers.items()))


def check_is_api(target: Target, answer: aiohttp.ClientResponse) -> None:
    """Raises RefusedError when the good answer is a page for people."""
    if answer.content_type in _PAGE:
        raise no_api(target.title, "a web page")


def check_is_answer(target: Target, body: bytes) -> None:
    """A whole answer where a stream was asked for. Raises RefusedError unless it is one."""
    try:
        said: Any = json.loads(body)
    except ValueError as exc:
        raise no_api(target.title, "something that is not JSON") from exc
    if not isinstance(said, dict):
        raise no_api(target.title, "JSON of another form")
    words = error_in(said)
    if words is not None:
        raise failed_inside(target.title, words)
    if not isinstance(said.get("choices"), list):
        raise no_api(target.title, "JSON of another form")


async def _whole(
    target: Target, answer: aiohttp.ClientResponse, *, most: int, idle_s: float
) -> bytes:
    body = bytearray()
    try:
        async with SilenceLimit(idle_s) as silence:
            while len(body) <= most and (chunk := await answer.content.readany()):
                silence.seen()
                body += chunk
    except TimeoutError as exc:
        raise too_slow(target.title, idle_s) from exc
    except aiohttp.ClientError as exc:
        raise cut_off(target.title) from exc
    return bytes(body[:most])


class PassingAnswer:
    """One answer on its way: nothing is sent before the provider's first byte, so that a provider
    that hangs still gets a proper status. `failure` is what was wrong with it.

    `at_end` is awaited once, before the sandbox sees the answer's end: what an agent takes for a
    whole answer has been counted.
    """

    def __init__(
        self,
        request: web.Request,
        target: Target,
        meter: Meter,
        at_end: Callable[[], Awaitable[None]],
    ) -> None:
        self._failure: RefusedError | None = None
        self._request = request
        self._target = target
        self._meter = meter
        self._at_end = at_end

    @property
    def failure(self) -> RefusedError | None:
        """Also where the sandbox went away at the provider's error, before the answer's end."""
        if self._failure is None:
            flaw = self._meter.flaw()
            if flaw is not None and flaw[0] is not Flaw.CUT:
                return _flawed(self._target.title, *flaw)
        return self._failure

    async def run(
        self, answer: aiohttp.ClientResponse, *, first_byte_s: float, idle_s: float
    ) -> web.StreamResponse:
        """Raises RefusedError while nothing has been sent."""
        first = await self._first(answer, first_byte_s)
        response = web.StreamResponse(
            status=answer.status, headers=passed_headers(answer.headers.items())
        )
        as_event = is_stream(answer)
        if as_event:
            response.headers["Cache-Control"] = "no-cache"
            response.headers["X-Accel-Buffering"] = "no"
        await response.prepare(self._request)
        try:
            await self._pass(answer, response, first, idle_s)
        except RefusedError as exc:
            await self._break_off(response, exc, as_event=as_event)
        except TimeoutError:
            slow = too_slow(self._target.title, idle_s)
            await self._break_off(response, slow, as_event=as_event)
        except ConnectionResetError:
            logger.info("the sandbox has gone")
        return response

    async def _first(self, answer: aiohttp.ClientResponse, first_byte_s: float) -> bytes:
        try:
            async with SilenceLimit(first_byte_s):
                first = await self._next(answer)
        except TimeoutError as exc:
            raise too_slow(self._target.title, first_byte_s) from exc
        if not first:
            raise said_nothing(self._target.title)
        if first.lstrip().startswith(b"<"):
            raise no_api(self._target.title, "a web page")
        return first

    async def _next(self, answer: aiohttp.ClientResponse) -> bytes:
        """All that has arrived; empty at the end."""
        try:
            return await answer.content.readany()
        except aiohttp.ClientError as exc:
            raise cut_off(self._target.title) from exc

    async def _pass(
        self,
        answer: aiohttp.ClientResponse,
        response: web.StreamResponse,
        first: bytes,
        idle_s: float,
    ) -> None:
        chunk, meter = first, self._meter
        async with SilenceLimit(idle_s) as silence:
            while chunk:
                meter.feed(chunk)
                if meter.is_said:
                    await self._end(at_last_word=True)
                await response.write(chunk)
                silence.seen()
                chunk = await self._next(answer)
        await self._end(at_last_word=False)
        await response.write_eof()

    async def _end(self, *, at_last_word: bool) -> None:
        """Raises RefusedError for an answer that was cut, so that it does not look complete."""
        flaw = self._meter.flaw()
        if flaw is not None and flaw[0] is Flaw.CUT and not at_last_word:
            raise cut_off(self._target.title)
        await self._at_end()

    async def _break_off(
        self, response: web.StreamResponse, error: RefusedError, *, as_event: bool
    ) -> None:
        """An answer that ends early must not look complete."""
        self._failure = error
        await self._at_end()
        logger.warning("%s", error.code, extra={"provider": self._target.provider.name})
        if as_event:
            with contextlib.suppress(TimeoutError, ConnectionResetError):
                # A sandbox that reads nothing would hold this up for ever.
                async with asyncio.timeout(_LAST_WORD_S):
                    await response.write(b"data: " + json.dumps(error.body()).encode() + b"\n\n")
                    await response.write_eof()
                return
        if self._request.transport is not None:
            self._request.transport.abort()


def _flawed(title: str, flaw: Flaw, words: str) -> RefusedError:
    match flaw:
        case Flaw.CUT:
            return cut_off(title)
        case Flaw.ERROR:
            return failed_inside(title, words)
        case Flaw.TOO_LONG:
            return stopped_short(title, "stopped at its limit of tokens for one answer")
        case Flaw.FILTERED:
            return stopped_short(title, "filtered its answer")
