"""What the gateway needs from outside itself."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from common.contracts.base import ReplyT, RequestT, Rpc

from gateway.model.identity import Identity

OnLines = Callable[[list[bytes]], Awaitable[None]]


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
    async def unsubscribe(self) -> None: ...


class Journals(Protocol):
    """The live entries of launches and sessions."""

    @property
    def interruptions(self) -> int:
        """Rises whenever live entries may have been missed."""
        ...

    async def follow(self, subject: str, on_lines: OnLines) -> Subscription:
        """Call back with the lines of each message from now on."""
        ...


class TokenVerifier(Protocol):
    async def verify(self, token: str) -> Identity:
        """Whose token it is. Raises UnauthenticatedError."""
        ...
