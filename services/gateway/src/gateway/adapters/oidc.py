"""The keys of an OIDC issuer: discovered, cached, fetched again when a token names an unknown one.

Fetching again is limited, so tokens with made-up key ids cannot turn the gateway on the issuer.
What was fetched last stays in use while the issuer does not answer.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from common.errors import UnavailableError

from gateway.adapters.issuer_http import IssuerHttp
from gateway.adapters.tokens import Jwk, choose, only_public

_FRESH = timedelta(minutes=10)
_AT_MOST_EVERY = timedelta(seconds=30)
_FIRST_AT_MOST_EVERY = timedelta(seconds=2)


class OidcKeys:
    """A `KeySource` behind an issuer's discovery document."""

    def __init__(
        self,
        http: IssuerHttp,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._clock = clock
        self._keys: Mapping[str | None, Jwk] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._one_at_a_time = asyncio.Lock()

    async def find(self, kid: str | None) -> Jwk | None:
        """Raises UnavailableError when the issuer was never reached."""
        if not self._is_fresh() or choose(self._keys, kid) is None:
            async with self._one_at_a_time:
                await self._refresh(kid)
        if self._fetched_at is None:
            message = "the issuer of tokens does not answer"
            raise UnavailableError(message)
        return choose(self._keys, kid)

    def _is_fresh(self) -> bool:
        fetched_at = self._fetched_at
        return fetched_at is not None and self._clock() - fetched_at < _FRESH.total_seconds()

    async def _refresh(self, kid: str | None) -> None:
        if self._is_fresh() and choose(self._keys, kid) is not None:
            return
        now = self._clock()
        pause = _AT_MOST_EVERY if self._fetched_at is not None else _FIRST_AT_MOST_EVERY
        if self._tried_at is not None and now - self._tried_at < pause.total_seconds():
            return
        self._tried_at = now
        try:
            self._keys = only_public(await self._fetch())
        except UnavailableError:
            return
        self._fetched_at = now

    async def _fetch(self) -> list[Any]:
        discovery = await self._http.discovery()
        keys = (await self._http.get(str(discovery.get("jwks_uri")))).get("keys")
        return keys if isinstance(keys, list) else []
