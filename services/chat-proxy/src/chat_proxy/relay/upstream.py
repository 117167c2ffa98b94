"""Calling a provider: the connections, their egress policy, their deadlines."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp.resolver import DefaultResolver
from yarl import URL

from chat_proxy.relay.access import Target
from chat_proxy.relay.egress import CheckedResolver, EgressPolicy, EgressRefusedError
from chat_proxy.relay.errors import host_refused, too_slow, unreachable

_FIXED = {
    "Content-Type": "application/json",
    # What passes through is read for its usage, so it must not be compressed.
    "Accept-Encoding": "identity",
    "User-Agent": "tryskills-relay",
}
_READ_BUFFER = 2**16


@dataclass(frozen=True)
class Timeouts:
    """How long a provider may be silent, in seconds."""

    connect_s: float
    first_byte_s: float
    whole_answer_s: float
    idle_s: float

    def until_first_byte(self, *, is_stream: bool) -> float:
        """A whole answer comes only when all of it is made."""
        return self.first_byte_s if is_stream else max(self.first_byte_s, self.whole_answer_s)


@dataclass(frozen=True)
class Call:
    """One request to a provider; `path` follows its base URL, `headers` replace the target's."""

    method: str
    path: str
    body: bytes | None = None
    accept: str = "application/json"
    is_stream: bool = False
    headers: Mapping[str, str] | None = field(default=None, repr=False)


class Upstream:
    """Two pools of connections: for addresses the operator named, and for all others."""

    def __init__(self, policy: EgressPolicy, timeouts: Timeouts) -> None:
        self._policy = policy
        self.timeouts = timeouts
        resolver = CheckedResolver(policy, DefaultResolver())
        self._ours = self._session(aiohttp.TCPConnector(limit=0))
        self._checked = self._session(aiohttp.TCPConnector(limit=0, resolver=resolver))

    async def close(self) -> None:
        await self._ours.close()
        await self._checked.close()

    @asynccontextmanager
    async def send(self, target: Target, call: Call) -> AsyncIterator[aiohttp.ClientResponse]:
        """The provider's answer once its headers are there; redirects are not followed.

        Raises RefusedError.
        """
        response = await self._send(target, call)
        try:
            yield response
        finally:
            # Closes the connection where the answer was not read to its end: a provider that is
            # not listened to stops working.
            if not response.content.at_eof():
                response.close()

    async def _send(self, target: Target, call: Call) -> aiohttp.ClientResponse:
        title = target.title
        wait_s = self.timeouts.until_first_byte(is_stream=call.is_stream)
        try:
            url = URL(target.base_url + call.path, encoded=True)
            if not target.is_ours:
                self._policy.check_url(url)
            async with asyncio.timeout(wait_s):
                return await self._session_for(target).request(
                    call.method,
                    url,
                    data=call.body,
                    headers=self._headers(target, call),
                    allow_redirects=False,
                )
        except EgressRefusedError as exc:
            raise host_refused() from exc
        except aiohttp.ConnectionTimeoutError as exc:
            raise unreachable(title, "it does not accept connections") from exc
        except TimeoutError as exc:
            raise too_slow(title, wait_s) from exc
        except (aiohttp.ClientError, ValueError, OSError) as exc:
            raise unreachable(title, _reason(exc)) from exc

    def _session_for(self, target: Target) -> aiohttp.ClientSession:
        return self._ours if target.is_ours else self._checked

    def _headers(self, target: Target, call: Call) -> Mapping[str, str]:
        own = target.headers() if call.headers is None else call.headers
        return {**_FIXED, "Accept": call.accept, **own}

    def _session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.timeouts.connect_s)
        return aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=_READ_BUFFER,
        )


def _reason(exc: Exception) -> str:
    """In words of ours: a client's error text can hold the whole address."""
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return "its host name is not known"
    if isinstance(exc, aiohttp.ClientSSLError):
        return "its certificate is not valid"
    if isinstance(exc, aiohttp.ClientConnectorError):
        return "the connection was refused"
    if isinstance(exc, aiohttp.ServerDisconnectedError):
        return "it closed the connection"
    return "the connection failed"
