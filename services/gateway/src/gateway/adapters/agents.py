"""Agents' own HTTP API, through their sandboxes' previews."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
from common.errors import ErrorCode, UnavailableError
from common.preview import PreviewGuard

from gateway.ports import AgentAnswer, AgentCall, RawAgents

_CONNECT_S = 10.0
_SILENCE_S = 330.0
"""The agent is silent while it works on a whole answer; in a stream it says something every
30 s."""


class PreviewAgents(RawAgents):
    """The client keeps no cookies and takes no proxy from the environment."""

    def __init__(self, http: aiohttp.ClientSession, guard: PreviewGuard) -> None:
        self._http = http
        self._guard = guard

    @asynccontextmanager
    async def send(self, call: AgentCall) -> AsyncIterator[AgentAnswer]:
        self._guard.check(call.url)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S)
        try:
            response = await self._http.request(
                call.method,
                call.url,
                data=call.body,
                headers=call.headers,
                timeout=timeout,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise _lost(exc) from None
        try:
            yield _Answer(response)
        finally:
            response.close()


class _Answer(AgentAnswer):
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._response.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            while chunk := await self._response.content.readany():
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise _lost(exc) from None


def _lost(exc: Exception) -> UnavailableError:
    """Without the client's own text: it holds the address, which is a secret."""
    message = f"the agent does not answer ({type(exc).__name__})"
    return UnavailableError(message, code=ErrorCode.AGENT_LOST)
