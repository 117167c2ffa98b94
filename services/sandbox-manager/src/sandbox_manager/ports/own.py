"""Keys of this deployment, time, and what tests watch."""

from collections.abc import Awaitable, Callable
from typing import Protocol


class Sealer(Protocol):
    """Encrypts what must lie in the store and be read again; bound to owner and field."""

    def seal(self, text: str, *, owner_id: str, field: str) -> str: ...

    def open(self, sealed: str, *, owner_id: str, field: str) -> str: ...


class Signer(Protocol):
    """Signs for this deployment."""

    @property
    def public_key(self) -> str: ...

    def sign(self, content: bytes) -> str: ...


class StepProbe(Protocol):
    """Told before and after each step; tests end the process here."""

    async def at(self, step: str, moment: str) -> None: ...


Sleep = Callable[[float], Awaitable[None]]
