"""What the gateway needs from outside itself."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from common.contracts.base import ReplyT, RequestT, Rpc

from gateway.model.identity import Identity

OnBody = Callable[[bytes], None]


class Services(Protocol):
    """The other services, by their contracts."""

    async def call(
        self, rpc: Rpc[RequestT, ReplyT], request: RequestT, *, within: timedelta | None = None
    ) -> ReplyT:
        """The reply, or the AppError that the service raised."""
        ...

    async def ping(self, service: str) -> None:
        """Raise an error unless the service answers."""
        ...


class Bodies(Protocol):
    """What is too large for a message, on its way to another service or from it."""

    async def put_body(self, content: bytes) -> str:
        """The name under which it is taken."""
        ...

    async def take_body(self, name: str) -> bytes | None:
        """The content, which is deleted; None when there is none (any more)."""
        ...


@dataclass(frozen=True)
class AgentCall:
    """One request to an agent's own API; `url` and `headers` hold secrets."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = None


class AgentAnswer(Protocol):
    """What the agent answers, as it comes."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Raises UnavailableError when the agent is lost."""
        ...


class RawAgents(Protocol):
    def send(self, call: AgentCall) -> AbstractAsyncContextManager[AgentAnswer]:
        """Only to addresses of known forms; redirects are not followed.

        Raises ForbiddenError, UnavailableError.
        """
        ...


class Subscription(Protocol):
    def unsubscribe(self) -> None: ...


class Journals(Protocol):
    """The live entries of launches and sessions."""

    @property
    def interruptions(self) -> int:
        """Rises whenever live entries may have been missed."""
        ...

    async def follow(self, subject: str, on_body: OnBody) -> Subscription:
        """Call back with each message, a line for each entry, from now on."""
        ...


class Seal(Protocol):
    """Makes text that its bearer can neither read nor change."""

    def seal(self, kind: str, content: Mapping[str, str]) -> str: ...

    def unseal(self, kind: str, sealed: str, *, within: timedelta) -> dict[str, str] | None:
        """What was sealed as that kind, not longer ago than `within`; else None."""
        ...


class Sessions(Protocol):
    def opened(self, session: str) -> Identity:
        """Whose session it is. Raises UnauthenticatedError."""
        ...


class LoginProvider(Protocol):
    """An OpenID Connect issuer; each method raises UnavailableError when it does not answer."""

    async def authorization_url(self, *, state: str, nonce: str, challenge: str) -> str: ...

    async def exchange(
        self, code: str, *, verifier: str, nonce: str, issuer: str | None
    ) -> Identity:
        """Who logged in. Raises UnauthenticatedError."""
        ...

    async def logout_url(self) -> str | None: ...


class Rates(Protocol):
    """How often each may ask."""

    per_minute: int

    async def hit(self, who: str) -> float | None:
        """Count one; where that is too many, the seconds until there is room again."""
        ...


class TokenVerifier(Protocol):
    async def verify(self, token: str) -> Identity:
        """Whose token it is. Raises UnauthenticatedError."""
        ...
