"""The records in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from common.contracts.events import OutgoingEvent
from sandbox_manager.model.account import Account
from sandbox_manager.model.launch import AskedBy, Launch
from sandbox_manager.model.restriction import Deed, Restriction
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.ports.stores import (
    Accounts,
    Acknowledgements,
    Deeds,
    LaunchChange,
    Launches,
    Orphans,
    Restrictions,
    SandboxChange,
    Sandboxes,
    SnapshotPointer,
)


@dataclass
class FakeSandboxes(Sandboxes):
    stored: dict[str, Sandbox] = field(default_factory=dict)
    events: list[OutgoingEvent] = field(default_factory=list)

    async def get(self, owner_id: str) -> Sandbox:
        return self.stored.get(owner_id, Sandbox(owner_id=owner_id))

    async def apply(
        self,
        owner_id: str,
        change: SandboxChange,
        *,
        known: Sandbox | None = None,
        event: OutgoingEvent | None = None,
    ) -> Sandbox | None:
        current = await self.get(owner_id)
        changed = change(current)
        if changed is None:
            return None
        changed = Sandbox.model_validate(
            {**changed.model_dump(), "revision": current.revision + 1}
        )
        self.stored[owner_id] = changed
        self.events += [event] if event else []
        return changed

    async def by_relay_token(self, sha256: str) -> Sandbox | None:
        found = [box for box in self.stored.values() if sha256 in box.relay_tokens]
        return found[0] if found else None

    async def existing(self) -> Sequence[Sandbox]:
        return [box for box in self.stored.values() if box.state != "absent"]

    async def changing(self) -> Sequence[Sandbox]:
        return [box for box in self.stored.values() if box.state in {"creating", "deleting"}]

    async def count_before(self, sandbox: Sandbox) -> int:
        mine = (sandbox.created_at, sandbox.owner_id)
        others = [box for box in await self.existing() if box.account == ""]
        return sum((box.created_at, box.owner_id) < mine for box in others)

    async def forget(self, owner_id: str) -> bool:
        self.stored.pop(owner_id, None)
        return True


@dataclass
class FakeLaunches(Launches):
    stored: dict[str, Launch] = field(default_factory=dict)
    events: list[OutgoingEvent] = field(default_factory=list)

    async def add(self, launch: Launch, *, events: Sequence[OutgoingEvent]) -> Launch | None:
        keys = {asked.key for asked in launch.asked_by}
        for other in self.stored.values():
            if other.running_key == launch.running_key or keys & {a.key for a in other.asked_by}:
                return None
        self.stored[launch.id] = launch
        self.events += events
        return launch

    async def get(self, launch_id: str) -> Launch | None:
        return self.stored.get(launch_id)

    async def running(self, running_key: str) -> Launch | None:
        return next((la for la in self.stored.values() if la.running_key == running_key), None)

    async def asked(self, asked: AskedBy) -> Launch | None:
        for launch in self.stored.values():
            if any(known.key == asked.key for known in launch.asked_by):
                return launch
        return None

    async def apply(
        self,
        launch_id: str,
        change: LaunchChange,
        *,
        known: Launch | None = None,
        events: Sequence[OutgoingEvent] = (),
    ) -> Launch | None:
        current = self.stored.get(launch_id)
        changed = change(current) if current else None
        if current is None or changed is None:
            return None
        self.stored[launch_id] = changed.model_copy(update={"revision": current.revision + 1})
        self.events += events
        return self.stored[launch_id]

    async def due(self, now: datetime, limit: int) -> Sequence[Launch]:
        return [launch for launch in self.stored.values() if launch.is_due(now)][:limit]

    async def count_running(self, owner_id: str) -> int:
        keys = [launch.running_key for launch in self.stored.values()]
        return sum(key.startswith(f"{owner_id}:") for key in keys)

    async def count_all(self) -> int:
        return sum(not launch.is_ended for launch in self.stored.values())

    async def count(self, owner_id: str) -> int:
        return sum(launch.owner_id == owner_id for launch in self.stored.values())

    async def newest(self, owner_id: str, limit: int) -> Sequence[Launch]:
        mine = [launch for launch in self.stored.values() if launch.owner_id == owner_id]
        return sorted(mine, key=lambda launch: launch.created_at, reverse=True)[:limit]

    async def forget(self, owner_id: str) -> bool:
        self.stored = {k: la for k, la in self.stored.items() if la.owner_id != owner_id}
        return True


@dataclass
class FakeAccounts(Accounts):
    stored: dict[tuple[str, str], Account] = field(default_factory=dict)

    async def put(self, account: Account) -> None:
        self.stored[account.id, account.owner_id] = account

    async def get(self, account_id: str) -> Account | None:
        return next((one for one in self.stored.values() if one.id == account_id), None)

    async def all(self) -> Sequence[Account]:
        return list({one.id: one for one in self.stored.values()}.values())

    async def forget_unused(self, used: Sequence[str], before: datetime) -> None:
        self.stored = {
            key: one for key, one in self.stored.items() if one.id in used or one.used_at >= before
        }

    async def forget(self, owner_id: str) -> None:
        self.stored = {key: one for key, one in self.stored.items() if one.owner_id != owner_id}


@dataclass
class FakeAcknowledgements(Acknowledgements):
    stored: set[tuple[str, str]] = field(default_factory=set)

    async def add(self, owner_id: str, digest: str, now: datetime) -> None:
        self.stored.add((owner_id, digest))

    async def has(self, owner_id: str, digest: str) -> bool:
        return (owner_id, digest) in self.stored

    async def count(self, owner_id: str) -> int:
        return sum(owner == owner_id for owner, _ in self.stored)

    async def forget(self, owner_id: str) -> None:
        self.stored = {pair for pair in self.stored if pair[0] != owner_id}


@dataclass
class FakeRestrictions(Restrictions):
    stored: dict[str, Restriction] = field(default_factory=dict)

    async def standing(self, keys: Sequence[str]) -> Sequence[Restriction]:
        return [self.stored[key] for key in keys if key in self.stored]

    async def all(self) -> Sequence[Restriction]:
        return [self.stored[key] for key in sorted(self.stored)]

    async def put(self, restriction: Restriction) -> None:
        self.stored[restriction.key] = restriction

    async def lift(self, key: str) -> None:
        self.stored.pop(key, None)


@dataclass
class FakeDeeds(Deeds):
    stored: list[Deed] = field(default_factory=list)

    async def add(self, deed: Deed) -> None:
        self.stored.append(deed)

    async def newest(self, limit: int) -> Sequence[Deed]:
        return self.stored[::-1][:limit]


@dataclass
class FakeOrphans(Orphans):
    known: dict[str, datetime] = field(default_factory=dict)

    async def since(self, sandbox_ids: Sequence[str]) -> Mapping[str, datetime]:
        return {name: at for name, at in self.known.items() if name in sandbox_ids}

    async def keep(self, sandbox_ids: Sequence[str], now: datetime) -> None:
        self.known = {name: self.known.get(name, now) for name in sandbox_ids}


@dataclass
class FakeSnapshotPointer(SnapshotPointer):
    name: str | None = None

    async def current(self) -> str | None:
        return self.name

    async def point_to(self, name: str) -> None:
        self.name = name
