"""The life of sandboxes: create, start, stop, archive, delete, and what survives a restart.

Transitions finish within the request. A state is written before the work that it announces, so a
host that is killed half-way finds at its next start a state that says so, and settles it: nothing
runs any more, so what was running is `stopped`, and what was being made or deleted is deleted.
"""

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from local_platform.daytona import signing
from local_platform.daytona.addresses import Policy, policy_of
from local_platform.daytona.bubblewrap import user_for
from local_platform.daytona.errors import ConflictError, HostError, NotFoundError
from local_platform.daytona.homes import Homes
from local_platform.daytona.limits import Groups
from local_platform.daytona.machine import Machine, StartFailedError
from local_platform.daytona.model import CHANGING, Sandbox, State, utc_now
from local_platform.daytona.plans import Planner
from local_platform.daytona.records import Records

logger = logging.getLogger(__name__)

Changed = Callable[[Sandbox, State], None]


class Sandboxes:
    def __init__(self, records: Records, homes: Homes, planner: Planner, groups: Groups) -> None:
        self._records = records
        self._homes = homes
        self._planner = planner
        self._groups = groups
        self._running: dict[str, Machine] = {}
        self._numbers: set[int] = {sandbox.number for sandbox in records.sandboxes.all()}
        self._open: Counter[str] = Counter()
        self._touched: set[str] = set()
        self.changed: Changed = lambda _sandbox, _old: None

    def all(self) -> list[Sandbox]:
        return self._records.sandboxes.all()

    def find(self, id_or_name: str) -> Sandbox:
        found = self._records.sandboxes.get(id_or_name) or next(
            (sandbox for sandbox in self.all() if sandbox.name == id_or_name), None
        )
        if found is None:
            raise NotFoundError(f"Sandbox with ID or name {id_or_name} not found")
        return found

    def machine(self, sandbox: Sandbox) -> Machine | None:
        return self._running.get(sandbox.id)

    async def create(self, make: Callable[[str, int], Sandbox]) -> Sandbox:
        """Make a sandbox and start it; one that does not start is taken away again."""
        sandbox = make(str(uuid.uuid4()), self._free_number())
        if any(other.name == sandbox.name for other in self.all()):
            raise ConflictError(f"Sandbox with name {sandbox.name} already exists")
        policy(sandbox)
        self._numbers.add(sandbox.number)
        try:
            self._records.sandboxes.put(sandbox)
            self._homes.create(sandbox.id, user_for(sandbox.number, self._planner.first_uid))
            await self._run(sandbox)
        except BaseException:
            await self._forget(sandbox)
            raise
        return sandbox

    async def start(self, sandbox: Sandbox) -> Sandbox:
        if sandbox.state == State.STARTED:
            return sandbox
        sandbox.require_startable()
        self._move(sandbox, State.RESTORING if sandbox.state == State.ARCHIVED else State.STARTING)
        sandbox.token = signing.new_token()
        try:
            await self._run(sandbox)
        except HostError as error:
            sandbox.error_reason = str(error)
            self._move(sandbox, State.STOPPED)
            raise
        return sandbox

    async def stop(self, sandbox: Sandbox, *, force: bool = False) -> Sandbox:
        """An ephemeral sandbox ends here for good."""
        sandbox.require_stoppable()
        self._move(sandbox, State.STOPPING)
        await self._halt(sandbox, force=force)
        if sandbox.is_ephemeral:
            return await self._destroy(sandbox)
        self._move(sandbox, State.STOPPED)
        return sandbox

    async def archive(self, sandbox: Sandbox) -> Sandbox:
        sandbox.require_archivable()
        self._move(sandbox, State.ARCHIVED)
        return sandbox

    async def delete(self, sandbox: Sandbox) -> Sandbox:
        sandbox.require_settled()
        return await self._destroy(sandbox)

    async def change_network(self, sandbox: Sandbox) -> None:
        self.save(sandbox)
        machine = self.machine(sandbox)
        if machine is not None:
            await machine.egress.change(policy(sandbox))

    def save(self, sandbox: Sandbox) -> None:
        sandbox.updated_at = utc_now()
        self._records.sandboxes.put(sandbox)

    def touch(self, sandbox: Sandbox) -> None:
        """Note activity; it reaches the disk with the next change or at the latest on `flush`."""
        sandbox.last_activity_at = utc_now()
        self._touched.add(sandbox.id)

    @contextmanager
    def in_use(self, sandbox: Sandbox) -> Iterator[None]:
        """A request that is open counts as activity for as long as it is."""
        self.touch(sandbox)
        self._open[sandbox.id] += 1
        try:
            yield
        finally:
            self._open[sandbox.id] -= 1
            self.touch(sandbox)

    def flush(self) -> None:
        """Note what is in use and bring every activity to disk."""
        self._open += Counter()
        for sandbox_id in self._touched | self._open.keys():
            sandbox = self._records.sandboxes.get(sandbox_id)
            if sandbox is not None:
                if self._open[sandbox_id]:
                    self.touch(sandbox)
                self._records.sandboxes.put(sandbox)
        self._touched.clear()

    async def recover(self) -> None:
        """After a start of the host: no sandbox runs, so no record may say that one does."""
        for sandbox in self.all():
            if sandbox.state in {State.CREATING, State.DESTROYING}:
                await self._forget(sandbox)
            elif sandbox.state == State.STARTED or sandbox.state in CHANGING:
                if sandbox.is_ephemeral:
                    await self._forget(sandbox)
                else:
                    self._move(sandbox, State.STOPPED)
            self._groups.remove(sandbox.id)
        await asyncio.to_thread(self._homes.sweep, {sandbox.id for sandbox in self.all()})

    async def close(self) -> None:
        """Stop everything that runs; the records say `stopped`."""
        running = [self.find(sandbox_id) for sandbox_id in list(self._running)]
        results = await asyncio.gather(*map(self._close_one, running), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                logger.error("a sandbox was not stopped cleanly: %r", result)
        self.flush()

    async def _close_one(self, sandbox: Sandbox) -> None:
        await self._halt(sandbox, force=False)
        if sandbox.is_ephemeral:
            await self._destroy(sandbox)
        else:
            self._move(sandbox, State.STOPPED)

    async def _run(self, sandbox: Sandbox) -> None:
        machine = Machine(self._planner.blueprint(sandbox, policy(sandbox)), self._groups)
        self._running[sandbox.id] = machine
        try:
            await machine.start(self._planner.ready_timeout_s, lambda: self._ended(sandbox))
        except StartFailedError as error:
            logger.warning("sandbox %s: %s", sandbox.id, error)
            self._running.pop(sandbox.id, None)
            raise HostError(str(error)) from error
        except BaseException:
            self._running.pop(sandbox.id, None)
            raise
        sandbox.error_reason = None
        self._move(sandbox, State.STARTED)

    def _ended(self, sandbox: Sandbox) -> None:
        """The first process ended by itself, which stops the sandbox."""
        machine = self._running.pop(sandbox.id, None)
        if machine is None or sandbox.state != State.STARTED:
            return
        logger.warning("sandbox %s ended by itself", sandbox.id)
        self._move(sandbox, State.STOPPED)
        self._cleaning = asyncio.ensure_future(self._clean(sandbox, machine))

    async def _clean(self, sandbox: Sandbox, machine: Machine) -> None:
        await machine.stop(force=True)
        if sandbox.is_ephemeral:
            await self._destroy(sandbox)

    async def _halt(self, sandbox: Sandbox, *, force: bool) -> None:
        machine = self._running.pop(sandbox.id, None)
        if machine is not None:
            await machine.stop(force=force)

    async def _destroy(self, sandbox: Sandbox) -> Sandbox:
        self._move(sandbox, State.DESTROYING)
        await self._halt(sandbox, force=True)
        await self._forget(sandbox)
        gone = sandbox.model_copy()
        gone.name = f"DESTROYED_{sandbox.name}_{int(utc_now().timestamp() * 1000)}"
        gone.state = State.DESTROYED
        self.changed(gone, State.DESTROYING)
        return gone

    async def _forget(self, sandbox: Sandbox) -> None:
        """Remove files and then the record, so that nothing is left without a record of it."""
        await asyncio.to_thread(self._homes.delete, sandbox.id)
        for url in self._records.signed_urls.all():
            if url.sandbox_id == sandbox.id:
                self._records.signed_urls.remove(url.id)
        self._records.sandboxes.remove(sandbox.id)
        self._numbers.discard(sandbox.number)

    def _move(self, sandbox: Sandbox, state: State) -> None:
        old = sandbox.state
        sandbox.moved(state, utc_now())
        self._records.sandboxes.put(sandbox)
        self.changed(sandbox, old)

    def _free_number(self) -> int:
        return next(number for number in range(1, 65_000) if number not in self._numbers)


def policy(sandbox: Sandbox) -> Policy:
    return policy_of(
        block_all=sandbox.network_block_all,
        networks=sandbox.network_allow_list,
        domains=sandbox.domain_allow_list,
    )
