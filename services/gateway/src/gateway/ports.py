"""What the gateway needs from outside itself."""

from collections.abc import Awaitable, Callable
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
