"""Logging a browser in: the authorization code flow of OpenID Connect with PKCE.

What the flow must remember lies sealed in a cookie of the browser that began it, so an answer is
taken from that browser alone, once it repeats the state, and the ID token repeats the nonce.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from common.errors import ErrorCode, ForbiddenError, UnauthenticatedError

from gateway.model.identity import Identity
from gateway.ports import LoginProvider, Seal

WITHIN = timedelta(minutes=10)
"""How long a person may take at the issuer."""

_ATTEMPT = "login"
_SESSION = "session"


@dataclass(frozen=True)
class Begun:
    """Where to send the browser, and what it keeps meanwhile."""

    url: str
    attempt: str


@dataclass(frozen=True)
class LoggedIn:
    session: str
    next_path: str


class SealedSessions:
    """`Sessions` that stand in the cookie itself: nothing is kept here."""

    def __init__(self, seal: Seal, *, ttl: timedelta) -> None:
        self._seal = seal
        self.ttl = ttl

    def made_for(self, identity: Identity) -> str:
        content = {"issuer": identity.issuer, "subject": identity.subject}
        return self._seal.seal(_SESSION, content)

    def opened(self, session: str) -> Identity:
        content = self._seal.unseal(_SESSION, session, within=self.ttl)
        if content is None:
            message = "the session has ended: log in again"
            raise UnauthenticatedError(message)
        return Identity(content["issuer"], content["subject"])


class Login:
    def __init__(self, provider: LoginProvider, seal: Seal, sessions: SealedSessions) -> None:
        self._provider = provider
        self._seal = seal
        self.sessions = sessions

    async def begin(self, next_path: str) -> Begun:
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode()
        url = await self._provider.authorization_url(
            state=state, nonce=nonce, challenge=challenge.rstrip("=")
        )
        content = {"state": state, "nonce": nonce, "verifier": verifier, "next": next_path}
        return Begun(url, self._seal.seal(_ATTEMPT, content))

    async def finish(self, answer: Mapping[str, str], attempt: str | None) -> LoggedIn:
        """`answer` is what the issuer sent the browser back with.

        Raises:
            ForbiddenError: it does not belong to what this browser began.
            UnauthenticatedError: the issuer did not log the person in.
        """
        begun = self._seal.unseal(_ATTEMPT, attempt or "", within=WITHIN)
        state = answer.get("state", "")
        if begun is None or not hmac.compare_digest(begun["state"].encode(), state.encode()):
            message = "this login was not begun in this browser, or too long ago: begin again"
            raise ForbiddenError(message, code=ErrorCode.CSRF)
        if "code" not in answer:
            message = "the issuer did not log you in"
            raise UnauthenticatedError(message)
        identity = await self._provider.exchange(
            answer["code"],
            verifier=begun["verifier"],
            nonce=begun["nonce"],
            issuer=answer.get("iss"),
        )
        return LoggedIn(self.sessions.made_for(identity), begun["next"])

    async def farewell(self) -> str | None:
        """Where the issuer ends its own session of the person, if it has such a place."""
        return await self._provider.logout_url()
