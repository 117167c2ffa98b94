"""Passing a provider's answer on: as it comes, with the headers that mean something."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterable

import aiohttp
from aiohttp import web

from chat_proxy.relay.access import Target
from chat_proxy.relay.errors import RefusedError, cut_off, too_slow
from chat_proxy.relay.usage import Meter
from chat_proxy.relay.watch import SilenceLimit

logger = logging.getLogger(__name__)

_PASSED = frozenset({"content-type", "retry-after", "x-request-id", "request-id"})
_PASSED_PREFIXES = ("x-ratelimit-", "anthropic-ratelimit-")
_STREAM = "text/event-stream"
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


async def pass_whole(
    target: Target, answer: aiohttp.ClientResponse, *, idle_s: float
) -> web.Response:
    """A list, or an error in the provider's own words; a key that it repeats is blotted out."""
    if 300 <= answer.status < 400:
        message = f"{target.provider.title} redirects elsewhere, which is not followed."
        raise RefusedError(502, "provider_redirects", message)
    most = _LONGEST_LIST if answer.status < 400 else _LONGEST_ERROR
    body = await _whole(target, answer, most=most, idle_s=idle_s)
    if target.key is not None:
        body = body.replace(target.key.get_secret_value().encode(), _HIDDEN)
    return web.Response(
        status=answer.status, body=body, headers=passed_headers(answer.headers.items())
    )


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
        raise too_slow(target.provider.title, idle_s) from exc
    except aiohttp.ClientError as exc:
        raise cut_off(target.provider.title) from exc
    return bytes(body[:most])


class PassingAnswer:
    """One answer on its way: nothing is sent before the provider's first byte, so that a provider
    that hangs still gets a proper status.
    """

    def __init__(self, request: web.Request, target: Target, meter: Meter) -> None:
        self._request = request
        self._target = target
        self._meter = meter

    async def run(
        self, answer: aiohttp.ClientResponse, *, first_byte_s: float, idle_s: float
    ) -> web.StreamResponse:
        """Raises RefusedError while nothing has been sent."""
        title = self._target.provider.title
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
            await response.write_eof()
        except RefusedError as exc:
            await self._break_off(response, exc, as_event=as_event)
        except TimeoutError:
            await self._break_off(response, too_slow(title, idle_s), as_event=as_event)
        except ConnectionResetError:
            logger.info("the sandbox has gone")
        return response

    async def _first(self, answer: aiohttp.ClientResponse, first_byte_s: float) -> bytes:
        try:
            async with SilenceLimit(first_byte_s):
                return await self._next(answer)
        except TimeoutError as exc:
            raise too_slow(self._target.provider.title, first_byte_s) from exc

    async def _next(self, answer: aiohttp.ClientResponse) -> bytes:
        """All that has arrived; empty at the end."""
        try:
            return await answer.content.readany()
        except aiohttp.ClientError as exc:
            raise cut_off(self._target.provider.title) from exc

    async def _pass(
        self,
        answer: aiohttp.ClientResponse,
        response: web.StreamResponse,
        first: bytes,
        idle_s: float,
    ) -> None:
        chunk = first
        async with SilenceLimit(idle_s) as silence:
            while chunk:
                self._meter.feed(chunk)
                await response.write(chunk)
                silence.seen()
                chunk = await self._next(answer)

    async def _break_off(
        self, response: web.StreamResponse, error: RefusedError, *, as_event: bool
    ) -> None:
        """An answer that ends early must not look complete."""
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
