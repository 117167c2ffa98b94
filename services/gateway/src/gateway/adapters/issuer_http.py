"""What an OIDC issuer says over HTTP: its discovery document and what that points to.

Over https only, loopback aside; no redirect is followed and no long answer is read.
"""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
from common.errors import UnavailableError

from gateway.settings import is_acceptable_url

_TIMEOUT = aiohttp.ClientTimeout(total=5)
_FRESH_S = 600.0
_MOST_BYTES = 256 * 1024


class IssuerHttp:
    """Every method raises UnavailableError when the issuer does not answer as one."""

    def __init__(
        self,
        issuer: str,
        http: aiohttp.ClientSession,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer = issuer
        self._http = http
        self._clock = clock
        self._discovered: tuple[float, dict[str, Any]] | None = None

    async def discovery(self) -> dict[str, Any]:
        """Kept for some minutes, so that many logins do not turn us on the issuer."""
        if self._discovered is not None and self._clock() < self._discovered[0]:
            return self._discovered[1]
        found = await self.get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != self.issuer:
            message = "the issuer's discovery document names another issuer"
            raise UnavailableError(message)
        self._discovered = (self._clock() + _FRESH_S, found)
        return found

    async def get(self, url: str) -> dict[str, Any]:
        status, document = await self._ask("GET", url)
        if status != 200:
            message = "the issuer does not answer"
            raise UnavailableError(message)
        return document

    async def post(
        self, url: str, form: Mapping[str, str], *, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        """The status and what came with it; a refusal of what was posted is an answer."""
        return await self._ask("POST", url, data=form, headers=headers)

    async def _ask(self, method: str, url: str, **options: Any) -> tuple[int, dict[str, Any]]:
        if not is_acceptable_url(url):
            message = "an issuer is asked over https only"
            raise UnavailableError(message)
        try:
            async with self._http.request(
                method, url, timeout=_TIMEOUT, allow_redirects=False, **options
            ) as response:
                if response.status >= 500 or 300 <= response.status < 400:
                    response.raise_for_status()
                    message = "the issuer redirects"
                    raise UnavailableError(message)
                document = json.loads(await _read(response))
        except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
            message = "the issuer does not answer"
            raise UnavailableError(message) from exc
        return response.status, document if isinstance(document, dict) else {}


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = b""
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _MOST_BYTES:
            message = "the issuer's document is too long"
            raise ValueError(message)
    return body
