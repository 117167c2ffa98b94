"""The record of an owner's sandbox: one per owner, never removed, changed only by these verbs.

Each verb is a pure function from the stored record to the one to store; the repository writes it
if nobody wrote in between, so each verb is one atomic compare-and-set. `revision` counts the
writes and never goes back.

Three kinds of right:

- the **create lock**, held by a launch while the state is `creating`;
- a **hold** on one slot (`agent`, one skill's directory, or the whole `sandbox`), held by whoever
  changes just that, so that installs of different skills go side by side;
- a **use-lease**, held by a turn: while one is live nobody stops, deletes, restarts, writes the
  config or replaces a skill by another version.

Lock and hold carry the fencing token of their holder's claim: a worker that wakes up late finds
another token and cannot write.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Self

from common.contracts.sandbox import SandboxState

from sandbox_manager.errors import (
    ClaimLostError,
    InvalidTransitionError,
    SandboxBusyError,
    SandboxInUseError,
    SandboxStoppedError,
)
from sandbox_manager.model.account import OPERATORS
from sandbox_manager.model.directory import slot
from sandbox_manager.model.pool import is_allowed
from sandbox_manager.model.record import (
    CreateLock,
    Hold,
    Installed,
    ModelChoice,
    PreviewAccess,
    Record,
    Resources,
    Right,
    UseLease,
)

RUNNABLE = frozenset({SandboxState.ACTIVE, SandboxState.STOPPED})
AGENT_SLOT = "agent"
WHOLE_SLOT = "sandbox"
_KEPT_RELAY_TOKENS = 8


class Sandbox(Record):
    owner_id: str
    state: SandboxState = SandboxState.ABSENT
    revision: int = 0
    create_id: str | None = None
    account: str = OPERATORS
    account_stamp: str = ""
    provider_name: str | None = None
    provider_id: str | None = None
    image: str | None = None
    resources: Resources | None = None
    lock: CreateLock | None = None
    holds: Mapping[str, Hold] = {}
    leases: tuple[UseLease, ...] = ()
    skills: Mapping[str, Installed] = {}
    is_inside_known: bool = True
    config_hash: str | None = None
    environment_hash: str | None = None
    staged_hash: str | None = None
    choice: ModelChoice | None = None
    agent: str | None = None
    agent_process: str | None = None
    sealed_agent_token: str | None = None
    sealed_raw_key: str | None = None
    relay_tokens: tuple[str, ...] = ()
    previews: Mapping[str, PreviewAccess] = {}
    workspaces: tuple[str, ...] = ()
    created_at: datetime | None = None
    last_heartbeat: datetime | None = None
    last_used_at: datetime | None = None
    refreshed_at: datetime | None = None

    def installed(self, directory: str) -> Installed | None:
        return self.skills.get(slot(directory))

    def preview(self, port: int) -> PreviewAccess | None:
        return self.previews.get(str(port))

    def live_leases(self, now: datetime) -> tuple[UseLease, ...]:
        return tuple(lease for lease in self.leases if lease.until > now)

    def live_hold(self, name: str, now: datetime) -> Hold | None:
        hold = self.holds.get(name)
        return hold if hold is not None and hold.until > now else None

    def is_held(self, now: datetime) -> bool:
        return any(hold.until > now for hold in self.holds.values())

    def is_closed(self, now: datetime) -> bool:
        """Whether somebody changes what a turn depends on, so that none may begin."""
        return any(
            hold.until > now and (hold.is_alone or name in {AGENT_SLOT, WHOLE_SLOT})
            for name, hold in self.holds.items()
        )

    def has_config(self, config_hash: str) -> bool:
        """The agent has this config, or gets it before the next turn."""
        return config_hash == (self.staged_hash or self.config_hash)

    def is_free(self, now: datetime) -> bool:
        """Nobody uses or changes it."""
        return not (self.lock or self.is_held(now) or self.live_leases(now))

    def is_lock_of(self, right: Right) -> bool:
        return self.lock is not None and _is_same(self.lock, right)

    def lock_for(
        self, right: Right, *, create_id: str, name: str, now: datetime, **facts: Any
    ) -> Self | None:
        """Take the create lock, or inherit it from a worker of the same launch; None: another
        launch has it, or there is a sandbox already.
        """
        if self.lock is not None and self.lock.holder == right.holder:
            if self.lock.token > right.token:
                message = "another worker drives this launch now"
                raise ClaimLostError(message)
            kept = CreateLock(**right.model_dump(), progressed_at=self.lock.progressed_at)
            return self.with_changes(lock=kept)
        if self.state is not SandboxState.ABSENT or self.lock is not None:
            return None
        return self._to(
            SandboxState.CREATING,
            lock=CreateLock(**right.model_dump(), progressed_at=now),
            create_id=create_id,
            provider_name=name,
            created_at=now,
            **facts,
        )

    def progressed(self, right: Right, now: datetime, **changes: Any) -> Self:
        """Write as the holder of the create lock, which does not go stale while this happens."""
        self._check_lock(right)
        lock = CreateLock(**right.model_dump(), progressed_at=now)
        return self.with_changes(lock=lock, **changes)

    def activated(self, right: Right, now: datetime, **changes: Any) -> Self:
        self._check_lock(right)
        signs = {"last_heartbeat": now, "last_used_at": now}
        return self._to(SandboxState.ACTIVE, lock=None, **signs, **changes)

    def abandoned(self, right: Right) -> Self | None:
        """Give up a create: what it made is to be deleted. None when it is not this launch's."""
        if not self.is_lock_of(right):
            return None
        return self._to_deleting()

    def freed(self, launch_id: str) -> Self | None:
        """Without the create lock of a launch that has ended; what it made is to be deleted."""
        if self.lock is None or self.lock.holder != launch_id:
            return None
        return self._to_deleting()

    def held(
        self, name: str, right: Right, *, now: datetime, until: datetime, alone: bool = False
    ) -> Self | None:
        """Take the slot `name`, or inherit it from a worker of the same launch; None: another has
        it, or the whole sandbox. With `alone` also None while a use-lease is live, and none is
        granted while the hold lives.
        """
        live, whole = self.live_hold(name, now), self.live_hold(WHOLE_SLOT, now)
        others = [hold for hold in (live, whole) if hold and hold.holder != right.holder]
        if self.state not in RUNNABLE or others or (alone and self.live_leases(now)):
            return None
        if live is not None and live.token > right.token:
            message = "another worker drives this launch now"
            raise ClaimLostError(message)
        hold = Hold(**right.model_dump(), until=until, is_alone=alone)
        return self.with_changes(holds={**self.holds, name: hold})

    def reserved(self, right: Right, *, now: datetime, until: datetime) -> Self:
        """Hold all of it. Raises SandboxInUseError or SandboxBusyError."""
        if self.state not in RUNNABLE:
            message = "the sandbox is being made or deleted; try again in a moment"
            raise SandboxBusyError(message)
        self.check_free(now)
        hold = Hold(**right.model_dump(), until=until, is_alone=True)
        return self.with_changes(holds={WHOLE_SLOT: hold})

    def renewed_holds(self, right: Right, until: datetime) -> Self | None:
        mine = {
            name: hold.model_copy(update={"until": until})
            for name, hold in self.holds.items()
            if _is_same(hold, right)
        }
        return self.with_changes(holds={**self.holds, **mine}) if mine else None

    def under_hold(self, name: str, right: Right, **changes: Any) -> Self:
        """Write as the holder of the slot `name`, or of the whole."""
        held = (self.holds.get(name), self.holds.get(WHOLE_SLOT))
        if not any(hold is not None and _is_same(hold, right) for hold in held):
            message = "another worker changes this part of the sandbox now"
            raise ClaimLostError(message)
        return self.with_changes(**changes)

    def released(self, right: Right, *names: str) -> Self | None:
        """Free those of the slots `names` that are `right`'s; all of them when none is named."""
        kept = {
            name: hold
            for name, hold in self.holds.items()
            if not _is_same(hold, right) or (names and name not in names)
        }
        return self.with_changes(holds=kept) if len(kept) < len(self.holds) else None

    def woken(self, right: Right, now: datetime, **changes: Any) -> Self:
        """Running again, found so by the holder of the agent's slot."""
        self.under_hold(AGENT_SLOT, right)
        if self.state is SandboxState.ACTIVE:
            return self
        return self._to(SandboxState.ACTIVE, last_heartbeat=now, last_used_at=now, **changes)

    def granted(self, lease: UseLease, now: datetime) -> Self:
        """Add a use-lease. Raises when the sandbox does not run or is being changed."""
        if self.state is not SandboxState.ACTIVE:
            message = "the sandbox is not running"
            raise SandboxStoppedError(message)
        if self.is_closed(now):
            message = "the sandbox is being changed; try again in a moment"
            raise SandboxBusyError(message)
        others = tuple(held for held in self.live_leases(now) if held.id != lease.id)
        return self.with_changes(leases=(*others, lease), last_used_at=now)

    def renewed(self, lease_id: str, *, now: datetime, until: datetime) -> Self | None:
        """None when there is no such live use-lease."""
        if all(lease.id != lease_id for lease in self.live_leases(now)):
            return None
        leases = tuple(
            lease.model_copy(update={"until": until}) if lease.id == lease_id else lease
            for lease in self.live_leases(now)
        )
        return self.with_changes(leases=leases, last_used_at=now)

    def unused(self, lease_id: str) -> Self | None:
        leases = tuple(lease for lease in self.leases if lease.id != lease_id)
        return self.with_changes(leases=leases) if len(leases) < len(self.leases) else None

    def beaten(self, now: datetime) -> Self | None:
        """A sign of life from an open page; none counts unless the sandbox runs."""
        if self.state is not SandboxState.ACTIVE:
            return None
        return self.with_changes(last_heartbeat=now)

    def used(self, now: datetime) -> Self | None:
        """A launch has come to its end in it."""
        beaten = self.beaten(now)
        return beaten and beaten.with_changes(last_used_at=now)

    def refreshed(self, now: datetime, pause: timedelta) -> Self | None:
        """The provider's idle timer was told; None when that was done less than `pause` ago."""
        last = self.refreshed_at
        if self.state is not SandboxState.ACTIVE or (last is not None and now - last < pause):
            return None
        return self.with_changes(refreshed_at=now)

    def stopped(self, right: Right) -> Self | None:
        """Stopped at the provider by the holder of the whole; None when it was found so before."""
        if self.state is not SandboxState.ACTIVE:
            return None
        self.under_hold(WHOLE_SLOT, right)
        return self.found_stopped()

    def found_stopped(self) -> Self | None:
        """The provider stopped it; whatever was held in it has ended with it."""
        if self.state is not SandboxState.ACTIVE:
            return None
        return self._to(SandboxState.STOPPED, previews={}, agent_process=None, leases=())

    def staged(self, config_hash: str | None) -> Self | None:
        """A config that waits for the running turns to end; None when there is nothing to wait
        for.
        """
        wanted = None if config_hash == self.config_hash else config_hash
        is_there = self.state in RUNNABLE and wanted != self.staged_hash
        return self.with_changes(staged_hash=wanted) if is_there else None

    def deleting(self, now: datetime) -> Self:
        """Raises SandboxInUseError or SandboxBusyError."""
        self.check_free(now)
        return self._to_deleting()

    def forced_out(self) -> Self | None:
        """Deleted whatever runs in it: its owner is gone."""
        return self._to_deleting() if self.state in RUNNABLE else None

    def found_gone(self) -> Self | None:
        """The provider no longer knows it: what the record says about it ends."""
        return self._to_deleting() if self.state in RUNNABLE else None

    def adopted(self, now: datetime, **facts: Any) -> Self | None:
        """A sandbox that was found without a record; None when there is one meanwhile."""
        if self.state is not SandboxState.ABSENT:
            return None
        return self._to(SandboxState.STOPPED, created_at=now, is_inside_known=False, **facts)

    def removed(self) -> Self:
        """Nothing is left at the provider. Only the owner and the revision stay."""
        self._check(SandboxState.ABSENT)
        return type(self)(owner_id=self.owner_id, revision=self.revision)

    def check_free(self, now: datetime) -> None:
        if self.live_leases(now):
            message = "a turn is running in the sandbox"
            raise SandboxInUseError(message)
        if self.lock is not None or self.is_held(now):
            message = "a launch is changing the sandbox; try again in a moment"
            raise SandboxBusyError(message)

    def with_changes(self, **changes: Any) -> Self:
        """Not for `state`: that is `_to`'s."""
        return self.model_copy(update=changes)

    def _to_deleting(self) -> Self:
        ended: dict[str, Any] = {"lock": None, "holds": {}, "leases": (), "relay_tokens": ()}
        return self._to(SandboxState.DELETING, **ended)

    def _to(self, state: SandboxState, **changes: Any) -> Self:
        self._check(state)
        return self.model_copy(update={"state": state, **changes})

    def _check(self, state: SandboxState) -> None:
        if not is_allowed(self.state, state):
            raise InvalidTransitionError(f"a sandbox cannot go from {self.state} to {state}")

    def _check_lock(self, right: Right) -> None:
        if not self.is_lock_of(right):
            message = "the create lock is no longer this worker's"
            raise ClaimLostError(message)


def with_relay_token(tokens: tuple[str, ...], sha256: str) -> tuple[str, ...]:
    """Earlier tokens stay good while the sandbox lives: a running turn still uses the last one."""
    return (*tokens, sha256)[-_KEPT_RELAY_TOKENS:]


def _is_same(held: Right, right: Right) -> bool:
    return held.holder == right.holder and held.token == right.token
