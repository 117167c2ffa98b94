"""Requests to GitHub's hosts: tried twice, redirected among these only, refused in our words.

A token raises the limits; one that GitHub does not accept is left away.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
from common.clock import Clock

from skill_resolver.errors import (
    RepositoryNotFoundError,
    SourceRateLimitedError,
    SourceUnavailableError,
)

logger = logging.getLogger(__name__)

_MAX_REDIRECTS = 3
_ATTEMPTS = 2
_DEFAULT_WAIT = timedelta(seconds=60)
_GONE = {401, 403, 404, 409, 410, 422, 451}


@dataclass(frozen=True)
class GitHubHosts:
    """GitHub's hosts; the settings name other places for tests and mirrors."""

    codeload: str
    web: str
    api: str
    raw: str

    @property
    def origins(self) -> set[tuple[str, str, int | None]]:
        return {_origin(httpx.URL(url)) for url in (self.codeload, self.web, self.api, self.raw)}


class Requests:
    def __init__(
        self,
        client: httpx.AsyncClient,
        hosts: GitHubHosts,
        *,
        timeout: timedelta,
        token: str,
        clock: Clock,
    ) -> None:
        self._client = client
        self._origins = hosts.origins
        self._timeout = timeout
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._clock = clock

    @asynccontextmanager
    async def answer(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> AsyncIterator[httpx.Response]:
        """One answered request, its body still to be read; whatever hangs is cut off."""
        try:
            async with asyncio.timeout(self._timeout.total_seconds()):
                response = await self._send(method, url, headers, body)
                try:
                    yield response
                finally:
                    await response.aclose()
        except (httpx.HTTPError, TimeoutError) as exc:
            detail = "GitHub does not answer."
            raise SourceUnavailableError(detail) from exc

    def check(self, response: httpx.Response, repository: str) -> None:
        """Raise unless the answer is what was asked for."""
        status = response.status_code
        retry_at = self._retry_at(response)
        is_limited = status == httpx.codes.FORBIDDEN and retry_at is not None
        if status == httpx.codes.TOO_MANY_REQUESTS or is_limited:
            when = retry_at or self._clock() + _DEFAULT_WAIT
            msg = "GitHub asks us to wait."
            raise SourceRateLimitedError(msg, retry_at=when)
        if status in _GONE:
            raise RepositoryNotFoundError(
                f"There is no public repository {repository}, or it is empty, or not that branch."
            )
        if status != httpx.codes.OK:
            raise SourceUnavailableError(f"GitHub answers with status {status}.")

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
        own = self._headers
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


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
