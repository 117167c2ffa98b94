"""Which preview URLs may be contacted, and how their names are resolved.

The host suffix is shared by all of the provider's customers, so the rule is not the pattern alone:
a service contacts only the exact URL that the provider returned for its own record, and this guard
refuses even that when it is not of a known form. Sources: the provider's documented preview
domains.
"""

import asyncio
import re
import socket
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

from common.errors import ErrorCode, ForbiddenError

_PUBLIC_HOST = re.compile(
    r"^[1-9]\d{0,4}-(?:[a-z0-9]{16}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"\.(?:proxy\.daytona\.works?|daytonaproxy\d{2}\.(?:net|eu))$"
)
_LOCAL_LABEL = re.compile(r"^[1-9]\d{0,4}-[a-z0-9-]{1,63}$")

REFUSED_PORTS = frozenset({22222, 2280, 33333})
"""The terminal, the toolbox and the recordings of a sandbox: never an agent."""

SKIP_WARNING = {"X-Daytona-Skip-Preview-Warning": "true"}


class PreviewGuard:
    """Refuses every URL that is not a preview of an agent's port.

    `extra_domains` are `host[:port]` of further preview proxies: a custom region over https, or,
    with a port and below `localhost`, the local sandbox host over http. `=address` behind one says
    on which machine it is found (see `open_agent_http`).
    """

    def __init__(self, extra_domains: Sequence[str] = ()) -> None:
        self._extra = tuple(domain.partition("=")[0].lower() for domain in extra_domains)

    def check(self, url: str) -> str:
        """`url` itself. Raises ForbiddenError, without the host, which may hold a token."""
        if not self._is_allowed(url):
            message = "the agent's address is not one of a sandbox's previews"
            raise ForbiddenError(message, code=ErrorCode.HOST_REFUSED)
        return url

    def _is_allowed(self, url: str) -> bool:
        if url != url.strip() or "\\" in url or any(ord(char) < 33 for char in url):
            return False
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return False
        host = parts.hostname or ""
        if parts.username is not None or not host or _sandbox_port(host) in REFUSED_PORTS:
            return False
        if _PUBLIC_HOST.fullmatch(host):
            return parts.scheme == "https" and port in (None, 443)
        return self._is_extra(parts.scheme, host, port)

    def _is_extra(self, scheme: str, host: str, port: int | None) -> bool:
        label, _, domain = host.partition(".")
        if not _LOCAL_LABEL.fullmatch(label):
            return False
        with_port = f"{domain}:{port}" if port is not None else domain
        if with_port not in self._extra:
            return False
        local = domain == "localhost" or domain.endswith(".localhost")
        return scheme == "https" or (scheme == "http" and local)


def _sandbox_port(host: str) -> int:
    number = host.partition("-")[0]
    return int(number) if number.isascii() and number.isdigit() else 0


class LocalhostResolver(AbstractResolver):
    """Resolves names below `.localhost` to the loopback address, as RFC 6761 asks, unless
    `elsewhere` names the machine of a domain; other names as usual.
    """

    def __init__(self, elsewhere: Mapping[str, str] | None = None) -> None:
        self._default = DefaultResolver()
        self._elsewhere = dict(elsewhere or {})

    def is_own(self, host: str) -> bool:
        """Whether a name is resolved here, without the system."""
        own = host == "localhost" or host.endswith(".localhost")
        return own or host.partition(".")[2] in self._elsewhere

    async def dial(self, host: str, port: int) -> socket.socket | None:
        """A connected socket, for those who cannot be given a resolver; None for a name that the
        system resolves as well.
        """
        if not self.is_own(host):
            return None
        [found, *_] = await self.resolve(host, port)
        dialled = socket.socket(found["family"])
        dialled.setblocking(False)
        try:
            loop = asyncio.get_running_loop()
            await loop.sock_connect(dialled, (found["host"], found["port"]))
        except BaseException:
            dialled.close()
            raise
        return dialled

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if (address := self._elsewhere.get(host.partition(".")[2])) is not None:
            return await self._default.resolve(address, port, family)
        if self.is_own(host):
            return [
                ResolveResult(
                    hostname=host,
                    host="127.0.0.1",
                    port=port,
                    family=socket.AF_INET,
                    proto=0,
                    flags=0,
                )
            ]
        return await self._default.resolve(host, port, family)

    async def close(self) -> None:
        await self._default.close()


def resolver_of(extra_domains: Sequence[str] = ()) -> LocalhostResolver:
    """Previews of a domain `host[:port]=address` are looked for at that address."""
    parts = (domain.partition("=") for domain in extra_domains)
    return LocalhostResolver(
        {domain.partition(":")[0].lower(): at for domain, _, at in parts if at}
    )


def open_agent_http(extra_domains: Sequence[str] = ()) -> aiohttp.ClientSession:
    """An HTTP client for agents: no redirect followed, no cookies kept, no proxy of the
    environment, no limit on connections. `extra_domains` as in `resolver_of`, for a local sandbox
    host in a container of its own.
    """
    # Whatever runs in a sandbox chooses the answer, and opening a websocket follows redirects.
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse_redirect)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=resolver_of(extra_domains), limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        trace_configs=[trace],
    )


async def _refuse_redirect(*_: object) -> None:
    message = "the agent redirects"
    raise aiohttp.ClientConnectionError(message)
