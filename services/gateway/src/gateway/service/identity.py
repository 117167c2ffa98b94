"""Who is calling: from a request's Authorization to an owner id."""

import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta

from common.contracts.keys import RESOLVE_OWNER, ResolveOwner
from common.errors import UnauthenticatedError

from gateway.model.identity import Identity
from gateway.ports import Services, TokenVerifier

_MOST = 10_000
_FRESH = timedelta(minutes=10)


class Authenticator:
    """Verifies bearer tokens; without one, `without_token` is the caller, where there is one."""

    def __init__(
        self, verifier: TokenVerifier | None, *, without_token: Identity | None = None
    ) -> None:
        self._verifier = verifier
        self._without_token = without_token

    async def identify(self, authorization: str | None) -> Identity:
        """Raises UnauthenticatedError; a token that is sent counts, and never falls back."""
        if authorization is None:
            if self._without_token is None:
                message = "send a bearer token in the Authorization header"
                raise UnauthenticatedError(message)
            return self._without_token
        scheme, _, token = authorization.strip().partition(" ")
        if scheme.lower() != "bearer" or not token.strip() or self._verifier is None:
            message = "the Authorization header holds no bearer token that is accepted here"
            raise UnauthenticatedError(message)
        return await self._verifier.verify(token.strip())


class Owners:
    """Owner ids by identity; the answers of keys are remembered for some minutes."""

    def __init__(self, services: Services, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._services = services
        self._clock = clock
        self._known: OrderedDict[Identity, tuple[str, float]] = OrderedDict()

    async def owner_of(self, identity: Identity) -> str:
        known = self._known.get(identity)
        if known is not None and known[1] > self._clock():
            self._known.move_to_end(identity)
            return known[0]
        request = ResolveOwner(issuer=identity.issuer, subject=identity.subject)
        owner = await self._services.call(RESOLVE_OWNER, request)
        self._known[identity] = (owner.owner_id, self._clock() + _FRESH.total_seconds())
        self._known.move_to_end(identity)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return owner.owner_id
