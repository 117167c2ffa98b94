"""Who is calling: from a request's Authorization, or its session, to an owner id."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta

from common.contracts.keys import (
    API_TOKEN_PREFIX,
    AUTHORIZE_TOKEN,
    RESOLVE_OWNER,
    AuthorizeToken,
    ResolveOwner,
)
from common.errors import UnauthenticatedError

from gateway.model.identity import Caller, Identity, Scope
from gateway.ports import Services, Sessions, TokenVerifier

_MOST = 10_000
_FRESH = timedelta(minutes=10)


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

    def forget(self, owner_id: str) -> None:
        """Ask again for whoever had this id: it was erased."""
        for identity in [known for known, (owner, _) in self._known.items() if owner == owner_id]:
            del self._known[identity]


class Authenticator:
    """Verifies what a caller shows; who shows nothing is `without_token`, where there is one.

    What is shown counts: a token that does not hold never falls back to a session, nor a session
    to the local user.
    """

    def __init__(
        self,
        services: Services,
        owners: Owners,
        *,
        verifier: TokenVerifier | None = None,
        sessions: Sessions | None = None,
        without_token: Identity | None = None,
    ) -> None:
        self._services = services
        self._owners = owners
        self._verifier = verifier
        self._sessions = sessions
        self._without_token = without_token

    async def caller(self, authorization: str | None, session: str | None = None) -> Caller:
        """Raises UnauthenticatedError."""
        if authorization is not None:
            return await self._by_token(authorization)
        if self._sessions is not None and session is not None:
            return await self._person(self._sessions.opened(session))
        if self._without_token is None:
            message = "send a bearer token in the Authorization header, or log in"
            raise UnauthenticatedError(message)
        return await self._person(self._without_token)

    def forget(self, owner_id: str) -> None:
        """Whoever had this id is somebody new from now on."""
        self._owners.forget(owner_id)

    async def _by_token(self, authorization: str) -> Caller:
        scheme, _, rest = authorization.strip().partition(" ")
        token = rest.strip()
        if scheme.lower() == "bearer" and token.startswith(API_TOKEN_PREFIX):
            return await self._by_api_token(token)
        if scheme.lower() != "bearer" or not token or self._verifier is None:
            message = "the Authorization header holds no bearer token that is accepted here"
            raise UnauthenticatedError(message)
        return await self._person(await self._verifier.verify(token))

    async def _by_api_token(self, token: str) -> Caller:
        # Asked at every request, so that a revoked token is worth nothing from that moment on.
        sha256 = hashlib.sha256(token.encode()).hexdigest()
        grant = await self._services.call(AUTHORIZE_TOKEN, AuthorizeToken(token_sha256=sha256))
        return Caller(grant.owner_id, Scope(grant.scope))

    async def _person(self, identity: Identity) -> Caller:
        return Caller(await self._owners.owner_of(identity), Scope.ALL, identity)
