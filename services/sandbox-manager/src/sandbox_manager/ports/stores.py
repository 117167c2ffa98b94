"""The records: what is kept, and how it changes."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from common.contracts.events import OutgoingEvent

from sandbox_manager.model.account import Account
from sandbox_manager.model.launch import AskedBy, Launch
from sandbox_manager.model.restriction import Deed, Restriction
from sandbox_manager.model.sandbox import Sandbox

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

    async def changing(self) -> Sequence[Sandbox]:
        """Every record of a creation or a deletion under way: few, however many there are."""
        ...

    async def count_before(self, sandbox: Sandbox) -> int:
        """How many of the operator's account were begun before this one, and are there."""
        ...


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

    async def count_all(self) -> int:
        """Of those that run, of everybody."""
        ...

    async def count(self, owner_id: str) -> int: ...

    async def newest(self, owner_id: str, limit: int) -> Sequence[Launch]:
        """As history: without phases, entries and receipt."""
        ...

    async def forget(self, owner_id: str) -> bool:
        """Remove an erased owner's launches; False while an event of one waits to be sent."""
        ...


class Accounts(Protocol):
    """Owners' own accounts at the provider, as long as a sandbox may be in one."""

    async def put(self, account: Account) -> None: ...

    async def get(self, account_id: str) -> Account | None: ...

    async def all(self) -> Sequence[Account]: ...

    async def forget_unused(self, used: Sequence[str], before: datetime) -> None:
        """Drop those that are none of `used` and were not used since `before`."""
        ...

    async def forget(self, owner_id: str) -> None: ...


class Acknowledgements(Protocol):
    """Safety reports that owners accepted, by digest."""

    async def add(self, owner_id: str, digest: str, now: datetime) -> None: ...

    async def has(self, owner_id: str, digest: str) -> bool: ...

    async def count(self, owner_id: str) -> int: ...

    async def forget(self, owner_id: str) -> None: ...


class Restrictions(Protocol):
    """What the operator forbids at this moment."""

    async def standing(self, keys: Sequence[str]) -> Sequence[Restriction]:
        """Those of these keys that stand."""
        ...

    async def all(self) -> Sequence[Restriction]: ...

    async def put(self, restriction: Restriction) -> None: ...

    async def lift(self, key: str) -> None: ...


class Deeds(Protocol):
    """What operators did: only ever added to."""

    async def add(self, deed: Deed) -> None: ...

    async def newest(self, limit: int) -> Sequence[Deed]: ...


class Orphans(Protocol):
    """Sandboxes at the provider that no record explains, since when."""

    async def since(self, sandbox_ids: Sequence[str]) -> Mapping[str, datetime]:
        """When each was seen first; those that are new are left out."""
        ...

    async def keep(self, sandbox_ids: Sequence[str], now: datetime) -> None:
        """These are there now, and no others."""
        ...


class Leadership(Protocol):
    """Which process reconciles."""

    async def is_leader(self, now: datetime) -> bool: ...


class SnapshotPointer(Protocol):
    """Which snapshot new sandboxes are made from, where an operator built one."""

    async def current(self) -> str | None: ...

    async def point_to(self, name: str) -> None: ...
