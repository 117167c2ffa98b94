"""What the use cases need from the outside, in this service's words."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from common.contracts.events import OutgoingEvent
from common.contracts.keys import OwnerSettings
from common.contracts.sandbox import LaunchEntry, LaunchSkill
from common.contracts.skills import ResolvedSkill

from sandbox_manager.model.launch import AskedBy, Launch
from sandbox_manager.model.provided import ProvidedSandbox
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.model.variables import StoredVariable


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
        """Start and wait until it runs; one that runs is left alone."""
        ...

    async def stop(self, sandbox_id: str) -> None:
        """Stop and wait; one that is stopped is left alone."""
        ...

    async def delete(self, sandbox_id: str) -> None:
        """Ask for deletion. SandboxBusyError: it is changing state, ask again."""
        ...

    async def refresh_activity(self, sandbox_id: str) -> None: ...

    async def sign_preview(self, sandbox_id: str, port: int, ttl: timedelta) -> str: ...


@dataclass(frozen=True)
class Look:
    """What was seen inside a sandbox."""

    digest: str | None
    is_agent_alive: bool


class Inside(Protocol):
    """What is done inside a running sandbox, each in as few calls as possible."""

    async def configure(self, sandbox_id: str, files: Mapping[str, str]) -> None:
        """Write text files by rename, after checking what arrived."""
        ...

    async def open_process(self, sandbox_id: str) -> str:
        """A place to start one lasting process in; return its name."""
        ...

    async def start_process(
        self, sandbox_id: str, process: str, name: str, command: Sequence[str]
    ) -> None:
        """Start it with the environment in `<own files>/<name>.env`, ending the last of that
        name.
        """
        ...

    async def end_process(self, sandbox_id: str, process: str) -> None:
        """Forget a process started before; one that is gone is not an error."""
        ...

    async def install(self, sandbox_id: str, skill: LaunchSkill, bundle: bytes) -> str | None:
        """Put the files up, read their digest back, rename them into place if it is the skill's.

        Return the digest that was read back.
        """
        ...

    async def remove(self, sandbox_id: str, directory: str) -> None: ...

    async def look(self, sandbox_id: str, *, directory: str | None, workspace: str | None) -> Look:
        """Make the workspace, read the skill's digest back, see whether the agent lives."""
        ...

    async def set_up(self, sandbox_id: str, hermes: str) -> None:
        """Install Hermes into a bare image."""
        ...


class Agents(Protocol):
    """The agent's own HTTP surface, through the preview."""

    async def is_agent_up(self, url: str, token: str, *, within: timedelta) -> bool: ...

    async def is_raw_up(self, url: str, key: str, *, within: timedelta) -> bool: ...


class Skills(Protocol):
    """The resolver."""

    async def resolve(self, ref: str) -> ResolvedSkill: ...

    async def get(self, digest: str) -> ResolvedSkill: ...

    async def bundle(self, digest: str) -> bytes:
        """An uncompressed tar of the skill's files, already checked against `digest`."""
        ...


class Keys(Protocol):
    """What an owner chose and entered."""

    async def settings(self, owner_id: str) -> OwnerSettings: ...

    async def variables(self, owner_id: str) -> Sequence[StoredVariable]: ...

    async def reveal(self, owner_id: str, variable: StoredVariable) -> str: ...


class Sealer(Protocol):
    """Encrypts what must lie in the store and be read again; bound to owner and field."""

    def seal(self, text: str, *, owner_id: str, field: str) -> str: ...

    def open(self, sealed: str, *, owner_id: str, field: str) -> str: ...


SandboxChange = Callable[[Sandbox], Sandbox | None]
LaunchChange = Callable[[Launch], Launch | None]


class Sandboxes(Protocol):
    """The records of sandboxes, one per owner."""

    async def get(self, owner_id: str) -> Sandbox:
        """An owner without a record has an absent sandbox."""
        ...

    async def apply(
        self,
        owner_id: str,
        change: SandboxChange,
        *,
        known: Sandbox | None = None,
        event: OutgoingEvent | None = None,
    ) -> Sandbox | None:
        """Store what `change` makes of the record, atomically, with its event.

        `change` runs again on the newer record when somebody wrote in between; what it raises is
        raised. None from it: nothing is written, None is returned.
        """
        ...

    async def by_relay_token(self, sha256: str) -> Sandbox | None: ...

    async def forget(self, owner_id: str) -> bool:
        """Remove an erased owner's record; False while an event of it waits to be sent."""
        ...

    async def existing(self) -> Sequence[Sandbox]:
        """Every record that is not absent."""
        ...

    async def count_existing(self) -> int: ...


class Launches(Protocol):
    """The records of launches."""

    async def add(self, launch: Launch, *, events: Sequence[OutgoingEvent]) -> Launch | None:
        """Store a new launch; None when one that runs, or the same request, is there already."""
        ...

    async def get(self, launch_id: str) -> Launch | None: ...

    async def running(self, running_key: str) -> Launch | None: ...

    async def asked(self, asked: AskedBy) -> Launch | None: ...

    async def apply(
        self,
        launch_id: str,
        change: LaunchChange,
        *,
        known: Launch | None = None,
        events: Sequence[OutgoingEvent] = (),
    ) -> Launch | None:
        """As `Sandboxes.apply`."""
        ...

    async def due(self, now: datetime, limit: int) -> Sequence[Launch]:
        """Launches that run and whose claim has run out."""
        ...

    async def count_running(self, owner_id: str) -> int: ...

    async def newest(self, owner_id: str, limit: int) -> Sequence[Launch]:
        """As history: without phases, entries and receipt."""
        ...

    async def forget(self, owner_id: str) -> bool:
        """Remove an erased owner's launches; False while an event of one waits to be sent."""
        ...


class Acknowledgements(Protocol):
    """Safety reports that owners accepted, by digest."""

    async def add(self, owner_id: str, digest: str, now: datetime) -> None: ...

    async def has(self, owner_id: str, digest: str) -> bool: ...

    async def forget(self, owner_id: str) -> None: ...


class Orphans(Protocol):
    """Sandboxes at the provider that no record explains, since when."""

    async def seen(self, sandbox_id: str, now: datetime) -> datetime:
        """When it was seen first."""
        ...

    async def forget_others(self, sandbox_ids: Sequence[str]) -> None: ...


class Leadership(Protocol):
    """Which process reconciles."""

    async def is_leader(self, now: datetime) -> bool: ...


class LaunchJournal(Protocol):
    async def publish(self, launch_id: str, entries: Sequence[LaunchEntry]) -> None:
        """Tell those who watch; the record already has the entries."""
        ...


class StepProbe(Protocol):
    """Told before and after each step; tests end the process here."""

    async def at(self, step: str, moment: str) -> None: ...


Sleep = Callable[[float], Awaitable[None]]
