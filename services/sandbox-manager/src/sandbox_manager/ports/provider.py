"""The provider of sandboxes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from sandbox_manager.model.provided import ProvidedSandbox
from sandbox_manager.model.recipe import Recipe


class Source(StrEnum):
    """What a sandbox is made from, best first."""

    SNAPSHOT = "snapshot"
    IMAGE = "image"
    BARE = "bare"


@dataclass(frozen=True)
class Retention:
    """The provider's own timers, in case nobody else ends a sandbox."""

    stop: timedelta
    archive: timedelta
    delete: timedelta


@dataclass(frozen=True)
class SandboxOrder:
    name: str
    source: Source
    image: str
    labels: Mapping[str, str]
    retention: Retention


class SandboxProvider(Protocol):
    """The provider of sandboxes.

    Raises SandboxGoneError, SandboxStoppedError, NameTakenError, LostAnswerError,
    ProviderUnavailableError, SnapshotMissingError, ProviderRefusedError, AccountRefusedError,
    QuotaExceededError.
    """

    async def create(self, order: SandboxOrder) -> ProvidedSandbox:
        """Create and wait until it runs. NameTakenError and LostAnswerError: look it up."""
        ...

    async def find(self, id_or_name: str) -> ProvidedSandbox | None: ...

    async def list(self, labels: Mapping[str, str]) -> Sequence[ProvidedSandbox]:
        """What the provider's index holds, which may lag: no proof of life or death."""
        ...

    async def start(self, sandbox_id: str) -> None:
        """Start and wait until it runs; one that runs is left alone. Raises SandboxBrokenError,
        SandboxBusyError where something else changes it.
        """
        ...

    async def stop(self, sandbox_id: str) -> None:
        """Stop and wait; one that does not run is left alone. Raises SandboxBusyError."""
        ...

    async def delete(self, sandbox_id: str) -> None:
        """Ask for deletion. SandboxBusyError: it is changing state, ask again."""
        ...

    async def refresh_activity(self, sandbox_id: str) -> None: ...

    async def sign_preview(self, sandbox_id: str, port: int, ttl: timedelta) -> str: ...


class SnapshotBuilder(Protocol):
    """Snapshots at the provider."""

    async def build(self, name: str, recipe: Recipe, tell: Callable[[str], object]) -> None:
        """Build and wait; `tell` gets the builder's own lines.

        A provider that prepares snapshots itself is asked to do that instead.
        """
        ...

    async def delete(self, name: str) -> None:
        """Delete; a snapshot that is gone is not an error."""
        ...
