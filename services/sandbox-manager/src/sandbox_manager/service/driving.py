"""Driving a launch to its end.

The worker plans from the record, does what the plan says, and plans again until nothing is left:
whatever state it finds, after a crash or after another launch has changed things, it goes on from
there.
"""

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, field
from datetime import timedelta

from common.clock import Clock
from common.contracts.sandbox import (
    LaunchPath,
    LaunchState,
    PhaseName,
    SandboxState,
)
from common.errors import AppError, ErrorCode
from common.metrics.table import CREATE_LOCK_WAIT
from common.telemetry.tracing import context_of, span, untraced

from sandbox_manager.errors import (
    AgentLostError,
    ClaimLostError,
    CreateFailedError,
    InstallFailedError,
    SandboxBrokenError,
    SandboxGoneError,
    SandboxStoppedError,
    StoreUnavailableError,
)
from sandbox_manager.model.launch import Launch
from sandbox_manager.model.plan import PATHS, Create, Install, Instant, Wait, plan
from sandbox_manager.model.provided import ProvidedState
from sandbox_manager.model.record import STALE_LOCK
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.model.steps import Step
from sandbox_manager.ports.own import Sleep, StepProbe
from sandbox_manager.ports.provider import SandboxProvider
from sandbox_manager.service.configuring import Configs, Wanted
from sandbox_manager.service.creating import Creation
from sandbox_manager.service.desk import Desk, LaunchCancelledError, Records, failure_of
from sandbox_manager.service.farewell import last_words
from sandbox_manager.service.gate import Gate
from sandbox_manager.service.installing import Installation
from sandbox_manager.service.moving import Moving
from sandbox_manager.service.preparing import Preparation
from sandbox_manager.service.receipts import Receipts
from sandbox_manager.service.removing import Removal

logger = logging.getLogger(__name__)

_ROUNDS = 6
_WAIT_POLL_S = 0.2
_LONGEST_WAIT = timedelta(minutes=10)


@dataclass(frozen=True)
class LaunchDriver:
    records: Records
    provider: SandboxProvider
    gate: Gate
    configs: Configs
    preparation: Preparation
    creation: Creation
    installation: Installation
    moving: Moving
    removal: Removal
    receipts: Receipts
    creates: asyncio.Semaphore
    clock: Clock
    probe: StepProbe
    sleep: Sleep = asyncio.sleep
    _hints: dict[str, asyncio.Event] = field(default_factory=dict)

    async def drive(self, launch: Launch) -> None:
        """Work on a launch this process has claimed, until it ends or the claim is lost."""
        desk = Desk(
            launch,
            self.records,
            clock=self.clock,
            probe=self.probe,
            sleep=self.sleep,
        )
        trace = context_of(launch.traceparent)
        with span("launch", parent=trace, launch_id=launch.id, claim=launch.claim.token):
            await self._driven(desk)

    async def _driven(self, desk: Desk) -> None:
        launch = desk.launch
        try:
            await desk.tell_all()
            await self._claimed(desk)
        except ClaimLostError:
            logger.info("launch %s: another worker drives it now", launch.id)
        except StoreUnavailableError as exc:
            logger.warning("launch %s: left to the next worker: %s", launch.id, exc.detail)
        except asyncio.CancelledError:
            await asyncio.shield(desk.give_back(self.clock()))
            raise
        except LaunchCancelledError as exc:
            await self._end_badly(desk, LaunchState.CANCELLED, exc)
        except AppError as exc:
            await self._end_badly(desk, LaunchState.FAILED, exc)
        except Exception as exc:
            logger.exception("launch %s failed", launch.id)
            await self._end_badly(desk, LaunchState.FAILED, exc)
        finally:
            self._hints.pop(launch.id, None)

    async def _claimed(self, desk: Desk) -> None:
        """Drive while the claim is renewed; whichever ends first ends the other."""
        driving = asyncio.ensure_future(self._to_ready(desk))
        with untraced():
            renewing = asyncio.ensure_future(self._renew(desk))
        try:
            await asyncio.wait({driving, renewing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (driving, renewing):
                if not task.done():
                    task.cancel()
            await asyncio.gather(driving, renewing, return_exceptions=True)
        (renewing if driving.cancelled() else driving).result()

    async def _renew(self, desk: Desk) -> None:
        """Also where a cancellation is noticed: at once when it came to this process."""
        hint = self._hints.setdefault(desk.launch.id, asyncio.Event())
        pause_s = (desk.claim_ttl / 3).total_seconds()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(hint.wait(), pause_s)
            hint.clear()
            await desk.renew()

    def hint(self, launch_id: str) -> None:
        """Look at the launch's record now, if this process drives it."""
        if launch_id in self._hints:
            self._hints[launch_id].set()

    async def _to_ready(self, desk: Desk) -> None:
        problem: AppError | None = None
        for _ in range(_ROUNDS):
            try:
                if await self._round(desk):
                    return
            except (SandboxGoneError, SandboxStoppedError) as exc:
                logger.warning("launch %s: %s; planning again", desk.launch.id, exc.detail)
                problem = exc
                await desk.persistently(lambda: self.resync(desk.owner_id))
        raise problem or InstallFailedError("the sandbox keeps changing; try again")

    async def _round(self, desk: Desk) -> bool:
        """Plan, and do it. True: the launch has ended."""
        launch, sandbox = desk.launch, await desk.sandbox()
        await desk.persistently(lambda: self.gate.check_going_on(launch.skill))
        if sandbox.lock is not None and sandbox.lock.holder == launch.id:
            await self._create(desk)
            return False
        facts = await desk.persistently(lambda: self.configs.facts(launch.owner_id))
        if await self.moving.run(desk, sandbox, facts):
            return False
        wanted = self.configs.wanted_for(facts, sandbox, launch)
        step = plan(sandbox, launch.skill, wanted.config_hash, self.clock())
        if not isinstance(step, Create):
            await self._tell_path(desk, PATHS.get(type(step)))
        if isinstance(step, Instant):
            return await self._finish_if_up(desk, sandbox, wanted)
        match step:
            case Install():
                await self.installation.run(desk, step)
            case Create():
                await self._create_in_turn(desk)
            case Wait():
                await self._wait(desk)
        return False

    async def _tell_path(self, desk: Desk, path: LaunchPath | None) -> None:
        """A path once told stays the launch's unless more turns out to be needed."""
        if path is not None and _is_more(path, desk.launch.path):
            await desk.write(lambda launch: launch.planned(path, self.clock()))

    async def _create_in_turn(self, desk: Desk) -> None:
        """A few creates of this process at a time, first come first served: together they would
        all be as late as the last. The lock is taken afterwards, so nothing goes stale meanwhile.
        """
        began = time.monotonic()
        if self.creates.locked():
            async with desk.phase(PhaseName.WAIT):
                await self.creates.acquire()
        else:
            await self.creates.acquire()
        CREATE_LOCK_WAIT.record(time.monotonic() - began, reason="turn")
        try:
            await self._create(desk)
        finally:
            self.creates.release()

    async def _create(self, desk: Desk) -> None:
        facts = await desk.persistently(lambda: self.configs.facts(desk.owner_id))
        sandbox = await desk.step(Step.LOCK, lambda: self.creation.lock(desk, facts))
        if sandbox is None:
            return
        await self.creation.check_quota(desk, sandbox)
        if sandbox.lock is not None and sandbox.lock.is_stale(self.clock()):
            message = "no progress for five minutes"
            raise CreateFailedError(message, code=ErrorCode.CREATE_LOCK_STALE)
        await self._tell_path(desk, LaunchPath.CREATE)
        wanted = self.configs.wanted_for(facts, sandbox, desk.launch)
        try:
            async with asyncio.timeout(STALE_LOCK.total_seconds()):
                await self.creation.run(desk, sandbox, wanted)
        except TimeoutError as exc:
            message = "the sandbox was not ready within five minutes"
            raise CreateFailedError(message, code=ErrorCode.CREATE_LOCK_STALE) from exc
        except (SandboxGoneError, SandboxStoppedError) as exc:
            raise CreateFailedError(f"the new sandbox went away: {exc.detail}") from exc

    async def _wait(self, desk: Desk) -> None:
        """Until the creation or deletion under way has ended."""
        deadline, began = self.clock() + _LONGEST_WAIT, time.monotonic()
        async with desk.phase(PhaseName.WAIT):
            while (await desk.sandbox()).state in {SandboxState.CREATING, SandboxState.DELETING}:
                if self.clock() >= deadline:
                    message = "the sandbox was not ready in time; try again"
                    raise CreateFailedError(message)
                await self.sleep(_WAIT_POLL_S)
        CREATE_LOCK_WAIT.record(time.monotonic() - began, reason="other_launch")

    async def _finish_if_up(self, desk: Desk, sandbox: Sandbox, wanted: Wanted) -> bool:
        """The record promises that nothing is left to do; the agent is asked before it is
        believed.
        """
        if not await self.preparation.is_agent_up(sandbox):
            await self.installation.run(desk, Install(write_config=False, wake=False))
            return False
        receipt = self.receipts.of(desk.launch, sandbox, wanted)
        await desk.step(Step.FINISH, lambda: desk.end(LaunchState.READY, receipt=receipt))
        return True

    async def resync(self, owner_id: str) -> None:
        """Bring the record to what the provider itself says of the sandbox."""
        sandbox = await self.records.sandboxes.get(owner_id)
        if sandbox.provider_id is None:
            return
        found = await self.provider.find(sandbox.provider_id)
        same = sandbox.create_id
        if found is None:
            await self.records.sandboxes.apply(
                owner_id, lambda now: now.found_gone() if now.create_id == same else None
            )
            await self.removal.run(owner_id)
        elif found.state is ProvidedState.STOPPED:
            await self.records.sandboxes.apply(
                owner_id, lambda now: now.found_stopped() if now.create_id == same else None
            )
        elif found.state is ProvidedState.FAILED:
            raise SandboxBrokenError.because(found.reason)

    async def _end_badly(self, desk: Desk, state: LaunchState, problem: Exception) -> None:
        """Delete what a create made, then say why the launch ended."""
        desk.close()
        if isinstance(problem, AppError):
            logger.warning(
                "launch %s %s: %s",
                desk.launch.id,
                state,
                problem.detail,
                extra={"code": problem.code, "owner_id": desk.owner_id},
            )
        error = failure_of(problem) if state is LaunchState.FAILED else None
        with contextlib.suppress(ClaimLostError):
            if isinstance(problem, AgentLostError):
                await self._tell_last_words(desk)
            try:
                await self._abandon(desk)
            except AppError as exc:
                logger.warning("launch %s: left for the reconciler: %s", desk.launch.id, exc)
            await desk.end(state, error=error)

    async def _tell_last_words(self, desk: Desk) -> None:
        """Before the sandbox goes, and its log with it."""
        said = await last_words(self.preparation, await desk.sandbox(), desk.launch)
        if said:
            await desk.notice(f"The agent's log ends:\n{said}")

    async def _abandon(self, desk: Desk) -> None:
        abandoned = await desk.change_sandbox(lambda sandbox: sandbox.abandoned(desk.right))
        if abandoned is not None:
            await self.removal.run(desk.owner_id)


def _is_more(path: LaunchPath, than: LaunchPath | None) -> bool:
    order = list(LaunchPath)
    return than is None or order.index(path) > order.index(than)


def notices(wanted: Wanted) -> list[str]:
    """What a person should know about the skill's variables."""
    missing = [
        f"The skill asks for {name}, which is not set." for name in wanted.variables.missing
    ]
    refused = [
        f"The variable {name} could change the agent itself and is left out."
        for name in wanted.variables.refused
    ]
    return missing + refused
