"""The provider in memory."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sandbox_manager.errors import (
    AccountRefusedError,
    NameTakenError,
    SandboxGoneError,
    SandboxStoppedError,
    SnapshotMissingError,
)
from sandbox_manager.model.account import place, placed, plain
from sandbox_manager.model.provided import ProvidedSandbox, ProvidedState
from sandbox_manager.ports.provider import SandboxOrder, SandboxProvider


@dataclass
class FakeProvider(SandboxProvider):
    """Sandboxes in memory. `faults` are raised by the named calls, once each; one under
    `after:<call>` when the call has been done, as a lost answer is.
    """

    machines: dict[str, ProvidedSandbox] = field(default_factory=dict)
    faults: list[tuple[str, Exception]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    made: int = 0
    orders: list[SandboxOrder] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    answers: asyncio.Event | None = None
    """Where one is given, a create waits for it: a provider that takes long."""
    on_stop: Callable[[str], None] = lambda _: None

    async def create(self, order: SandboxOrder) -> ProvidedSandbox:
        self._enter("create")
        self.orders.append(order)
        if self.answers is not None:
            await self.answers.wait()
        if order.image in self.missing:
            raise SnapshotMissingError(f"{order.image} not found")
        if any(machine.name == order.name for machine in self.machines.values()):
            raise NameTakenError("there is one of that name")
        self.made += 1
        account, _ = place(order.name)
        self._check_account(account)
        made = ProvidedSandbox(
            placed(account, f"box-{self.made}"),
            order.name,
            ProvidedState.STARTED,
            dict(order.labels),
        )
        self.machines[made.id] = made
        self._leave("create")
        return made

    async def find(self, id_or_name: str) -> ProvidedSandbox | None:
        self._enter("find")
        self._check_account(place(id_or_name)[0])
        found = [m for m in self.machines.values() if id_or_name in (m.id, m.name)]
        return found[0] if found else None

    async def list(self, labels: Mapping[str, str]) -> Sequence[ProvidedSandbox]:
        self._enter("list")
        return [
            machine
            for machine in self.machines.values()
            if labels.items() <= machine.labels.items() and machine.id not in self.hidden
        ]

    async def start(self, sandbox_id: str) -> None:
        self._enter("start")
        self.put(sandbox_id, ProvidedState.STARTED)
        self._leave("start")

    async def stop(self, sandbox_id: str) -> None:
        self._enter("stop")
        self.put(sandbox_id, ProvidedState.STOPPED)
        self.on_stop(sandbox_id)
        self._leave("stop")

    async def delete(self, sandbox_id: str) -> None:
        self._enter("delete")
        self.machines.pop(sandbox_id, None)
        self.on_stop(sandbox_id)
        self._leave("delete")

    async def refresh_activity(self, sandbox_id: str) -> None:
        self._enter("refresh_activity")

    async def sign_preview(self, sandbox_id: str, port: int, ttl: timedelta) -> str:
        self._enter("sign_preview")
        self.check_running(sandbox_id)
        return f"http://{port}-{plain(sandbox_id)}.proxy.localhost:1"

    def _check_account(self, account: str) -> None:
        if account in self.closed:
            raise AccountRefusedError("the key is not accepted")

    def put(self, sandbox_id: str, state: ProvidedState) -> None:
        known = self.machines.get(sandbox_id)
        if known is None:
            raise SandboxGoneError("gone")
        self.machines[sandbox_id] = ProvidedSandbox(known.id, known.name, state, known.labels)

    def check_running(self, sandbox_id: str) -> None:
        if sandbox_id not in self.machines:
            raise SandboxGoneError("gone")
        if self.machines[sandbox_id].state is not ProvidedState.STARTED:
            raise SandboxStoppedError("not running")

    def _enter(self, call: str) -> None:
        self.calls.append(call)
        self._raise(call)

    def _leave(self, call: str) -> None:
        self._raise(f"after:{call}")

    def _raise(self, when: str) -> None:
        for number, (call, error) in enumerate(self.faults):
            if call == when:
                del self.faults[number]
                raise error
