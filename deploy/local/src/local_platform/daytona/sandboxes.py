"""The life of sandboxes: create, start, stop, archive, delete, and what survives a restart.

Transitions finish within the request. After a restart of the host nothing runs any more, so what
was running is `stopped`, and what was being made or deleted is deleted. That is why a state that
cannot be written, because the disk is full, is no reason not to stop or delete a sandbox.
"""

import asyncio
import logging
import sqlite3
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

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
        self._cleaning: set[asyncio.Future[None]] = set()
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
        before = sandbox.state
        self._move(sandbox, State.RESTORING if before == State.ARCHIVED else State.STARTING)
        sandbox.token = signing.new_token()
        try:
            await self._run(sandbox)
        except BaseException as error:
            sandbox.error_reason = str(error)
            self._move(sandbox, before)
            raise
        return sandbox

    async def stop(self, sandbox: Sandbox, *, force: bool = False) -> Sandbox:
        sandbox.require_stoppable()
        self._move(sandbox, State.STOPPING)
        await self._halt(sandbox, force=force)
        return await self._settle_stopped(sandbox)

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
            self._touched.discard(sandbox_id)
            if sandbox is not None:
                if self._open[sandbox_id]:
                    sandbox.last_activity_at = utc_now()
                self._write(sandbox)

    async def recover(self) -> None:
        """After a start of the host: no sandbox runs, so no record may say that one does."""
        for sandbox in self.all():
            unfinished = sandbox.state in {State.CREATING, State.DESTROYING}
            if unfinished or not self._homes.home(sandbox.id).is_dir():
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
        closing = [*map(self._close_one, running), *self._cleaning]
        results = await asyncio.gather(*closing, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                logger.error("a sandbox was not stopped cleanly: %r", result)
        self.flush()

    async def _close_one(self, sandbox: Sandbox) -> None:
        await self._halt(sandbox, force=False)
        await self._settle_stopped(sandbox)

    async def _run(self, sandbox: Sandbox) -> None:
        if self._planner.is_alone and self._running:
            msg = "Without isolation only one sandbox runs at a time: stop the other one first"
            raise ConflictError(msg)
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
        self._move(sandbox, State.STOPPING)
        cleaning = asyncio.ensure_future(self._clean(sandbox, machine))
        self._cleaning.add(cleaning)
        cleaning.add_done_callback(self._cleaning.discard)

    async def _clean(self, sandbox: Sandbox, machine: Machine) -> None:
        await machine.stop(force=True)
        await self._settle_stopped(sandbox)

    async def _settle_stopped(self, sandbox: Sandbox) -> Sandbox:
        """An ephemeral sandbox ends here for good."""
        if sandbox.is_ephemeral:
            return await self._destroy(sandbox)
        self._move(sandbox, State.STOPPED)
        return sandbox

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
        with suppress(sqlite3.Error):
            for url in self._records.signed_urls.all():
                if url.sandbox_id == sandbox.id:
                    self._records.signed_urls.remove(url.id)
        self._numbers.discard(sandbox.number)
        with suppress(sqlite3.Error):
            self._records.sandboxes.remove(sandbox.id)

    def _move(self, sandbox: Sandbox, state: State) -> None:
        old = sandbox.state
        sandbox.moved(state, utc_now())
        self._write(sandbox)
        self.changed(sandbox, old)

    def _write(self, sandbox: Sandbox) -> None:
        try:
            self._records.sandboxes.put(sandbox)
        except sqlite3.Error as error:
            logger.warning("sandbox %s is not on disk yet: %s", sandbox.id, error)
            self._touched.add(sandbox.id)

    def _free_number(self) -> int:
        return next(number for number in range(1, 65_000) if number not in self._numbers)


def policy(sandbox: Sandbox) -> Policy:
    return policy_of(
        block_all=sandbox.network_block_all,
        networks=sandbox.network_allow_list,
        domains=sandbox.domain_allow_list,
    )
