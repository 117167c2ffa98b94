"""Requests to GitHub's hosts: tried twice, redirected among these only, refused in our words.

A token raises the limits; one that GitHub does not accept is left away. A host that asks us to
wait is not asked again before it said so.
"""

import asyncio
import base64
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
from common.clock import Clock, utc_now

from skill_resolver.errors import (
    RepositoryNotFoundError,
    SourceRateLimitedError,
    SourceSlowError,
    SourceUnavailableError,
)

logger = logging.getLogger(__name__)

_MAX_REDIRECTS = 3
_ATTEMPTS = 2
_DEFAULT_WAIT = timedelta(seconds=60)
_LONGEST_WAIT = timedelta(hours=1)
_GONE = {401, 403, 404, 409, 410, 422, 451}


class BrokenAnswerError(SourceUnavailableError):
    """The connection broke while the answer came."""


@dataclass(frozen=True)
class Times:
    """How long an answer may take to begin, and to come to its end."""

    beginning: timedelta = timedelta(seconds=12)
    whole: timedelta = timedelta(seconds=15)


@dataclass(frozen=True)
class GitHubHosts:
    """GitHub's hosts; the settings name other places for tests and mirrors."""

    codeload: str
    web: str
    api: str

    @property
    def bases(self) -> tuple[str, ...]:
        return self.codeload, self.web, self.api


class Requests:
    def __init__(
        self,
        client: httpx.AsyncClient,
        hosts: GitHubHosts,
        *,
        token: str = "",
        times: Times = Times(),
        clock: Clock = utc_now,
    ) -> None:
        self._client = client
        self._hosts = hosts
        self._origins = {_origin(httpx.URL(base)) for base in hosts.bases}
        self._times = times
        self._token = token
        self._clock = clock
        self._waits: dict[str, datetime] = {}

    @asynccontextmanager
    async def answer(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        times: Times | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """One answered request, its body still to be read; whatever hangs is cut off."""
        times = times or self._times
        self._check_wait(url)
        has_begun = False
        try:
            async with asyncio.timeout(times.whole.total_seconds()):
                async with asyncio.timeout(times.beginning.total_seconds()):
                    response = await self._send(method, url, headers, body)
                has_begun = True
                try:
                    yield response
                finally:
                    await response.aclose()
        except (httpx.TimeoutException, TimeoutError) as exc:
            detail = "GitHub does not answer in time."
            raise SourceSlowError(detail) from exc
        except httpx.HTTPError as exc:
            detail = "GitHub does not answer."
            kind = BrokenAnswerError if has_begun else SourceUnavailableError
            raise kind(detail) from exc

    async def check(self, response: httpx.Response, repository: str) -> None:
        """Raise unless the answer is what was asked for."""
        status = response.status_code
        if (until := await self._limited_until(response)) is not None:
            base = self._base(str(response.url))
            self._waits[base] = min(until, self._clock() + _LONGEST_WAIT)
            raise _limited(until)
        if status in _GONE:
            raise RepositoryNotFoundError(f"There is no public repository {repository}.")
        if status != httpx.codes.OK:
            raise SourceUnavailableError(f"GitHub answers with status {status}.")

    async def _limited_until(self, response: httpx.Response) -> datetime | None:
        """A limit is a 429, or a 403 that says so in its headers or only in its text."""
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            return self._retry_at(response) or self._clock() + _DEFAULT_WAIT
        if response.status_code != httpx.codes.FORBIDDEN:
            return None
        if (until := self._retry_at(response)) is not None:
            return until
        says_so = b"rate limit" in (await _beginning(response)).lower()
        return self._clock() + _DEFAULT_WAIT if says_so else None

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> httpx.Response:
        for attempt in range(1, _ATTEMPTS + 1):
            is_last = attempt == _ATTEMPTS
            try:
                response = await self._follow(method, httpx.URL(url), headers, body)
            except httpx.TransportError as exc:
                # What took too long once would keep the user waiting twice.
                if is_last or isinstance(exc, httpx.TimeoutException):
                    raise
                continue
            if response.status_code < httpx.codes.INTERNAL_SERVER_ERROR or is_last:
                return response
            await response.aclose()
        msg = "GitHub does not answer."
        raise SourceUnavailableError(msg)

    async def _follow(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes | None
    ) -> httpx.Response:
        own = self._authorization(str(url))
        for _ in range(_MAX_REDIRECTS + 1):
            sent = {**headers, **own}
            request = self._client.build_request(method, url, headers=sent, content=body)
            response = await self._client.send(request, stream=True)
            if response.status_code == httpx.codes.UNAUTHORIZED and own:
                logger.warning("GitHub does not accept the configured token")
                own = {}
            elif response.has_redirect_location:
                url = url.join(response.headers["location"])
                self._check_origin(url)
            else:
                return response
            await response.aclose()
        msg = "GitHub redirects without end."
        raise SourceUnavailableError(msg)

    def _authorization(self, url: str) -> dict[str, str]:
        """git's own addresses take a token as a password only."""
        if not self._token:
            return {}
        if self._base(url) != self._hosts.web:
            return {"Authorization": f"Bearer {self._token}"}
        basic = base64.b64encode(f"x-access-token:{self._token}".encode()).decode()
        return {"Authorization": f"Basic {basic}"}

    def _base(self, url: str) -> str:
        return next((base for base in self._hosts.bases if url.startswith(f"{base}/")), "")

    def _check_wait(self, url: str) -> None:
        until = self._waits.get(self._base(url))
        if until is not None and until > self._clock():
            raise _limited(until)

    def _check_origin(self, url: httpx.URL) -> None:
        if _origin(url) not in self._origins:
            msg = "GitHub redirects to a host that is not read."
            raise SourceUnavailableError(msg)

    def _retry_at(self, response: httpx.Response) -> datetime | None:
        after = response.headers.get("retry-after", "")
        if after.isdecimal():
            return self._clock() + timedelta(seconds=min(int(after), 86_400))
        reset = response.headers.get("x-ratelimit-reset", "")
        if response.headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
            return datetime.fromtimestamp(min(int(reset), 2**33), UTC)
        return None


async def _beginning(response: httpx.Response) -> bytes:
    async for chunk in response.aiter_bytes():
        return chunk[:4096]
    return b""


def _limited(until: datetime) -> SourceRateLimitedError:
    detail = "GitHub asks us to wait; what was resolved before still answers."
    return SourceRateLimitedError(detail, retry_at=until)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
