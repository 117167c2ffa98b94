"""A worker's grip on one launch: every write is fenced, numbered, saved first and then told."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from common.clock import Clock
from common.contracts.events import (
    LAUNCH_ENDED,
    TRIAL_RECORDED,
    LaunchChanged,
    OutgoingEvent,
    TrialRecorded,
)
from common.contracts.sandbox import Failure, LaunchState, PhaseName, Receipt
from common.errors import AppError, ConflictError, ErrorCode, RateLimitedError
from common.metrics.table import LAUNCH_DURATION, LAUNCH_PHASE, LAUNCHES, OK
from common.telemetry.tracing import span

from sandbox_manager.errors import ClaimLostError
from sandbox_manager.model.directory import skill_path
from sandbox_manager.model.launch import Launch
from sandbox_manager.model.record import Right
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.ports.own import Sleep, StepProbe
from sandbox_manager.ports.services import LaunchJournal
from sandbox_manager.ports.stores import Launches, Sandboxes
from sandbox_manager.service.persisting import Persistence

logger = logging.getLogger(__name__)

ValueT = TypeVar("ValueT")

CLAIM_TTL = timedelta(seconds=30)


class LaunchCancelledError(ConflictError):
    """The owner asked the worker to stop."""

    default_code = ErrorCode.CANCELLED


@dataclass(frozen=True)
class Records:
    """Where a worker writes."""

    launches: Launches
    sandboxes: Sandboxes
    journal: LaunchJournal
    claim_ttl: timedelta = CLAIM_TTL


class Desk:
    def __init__(
        self,
        launch: Launch,
        records: Records,
        *,
        clock: Clock,
        probe: StepProbe,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._launch = launch
        self._token = launch.claim.token
        self._launches = records.launches
        self._sandboxes = records.sandboxes
        self._journal = records.journal
        self.claim_ttl = records.claim_ttl
        self._probe = probe
        self._writing = asyncio.Lock()
        self._is_closing = False
        self._persistence = Persistence(clock, sleep, self._tell_pause)
        self.clock = clock
        self.sleep = sleep

    @property
    def launch(self) -> Launch:
        return self._launch

    @property
    def right(self) -> Right:
        return Right(holder=self._launch.id, token=self._token)

    @property
    def owner_id(self) -> str:
        return self._launch.owner_id

    async def tell_all(self) -> None:
        """Tell every entry again: the worker before may have died between saving and telling."""
        await self._journal.publish(self._launch.id, self._launch.entries)

    async def write(
        self, change: Callable[[Launch], Launch], *, events: tuple[OutgoingEvent, ...] = ()
    ) -> Launch:
        """Raises ClaimLostError when another worker has the launch, LaunchCancelledError when the
        owner gave it up.
        """

        def guarded(launch: Launch) -> Launch:
            launch.check_claim(self._token)
            if launch.is_cancel_requested and not self._is_closing:
                message = "the launch was cancelled"
                raise LaunchCancelledError(message)
            return change(launch)

        async with self._writing:
            told = len(self._launch.entries)
            written = await self._launches.apply(
                self._launch.id, guarded, known=self._launch, events=events
            )
            if written is None:
                message = "the launch is no longer there"
                raise ClaimLostError(message)
            self._launch = written
            await self._journal.publish(written.id, written.entries[told:])
        return written

    async def notice(self, text: str) -> None:
        await self.write(lambda launch: launch.noticed(text, self.clock()))

    async def renew(self) -> None:
        """Keep claim and holds for another while."""
        until = self.clock() + self.claim_ttl
        await self.write(lambda launch: launch.renewed(until))
        await self._sandboxes.apply(
            self.owner_id, lambda sandbox: sandbox.renewed_holds(self.right, until)
        )

    async def sandbox(self) -> Sandbox:
        return await self._sandboxes.get(self.owner_id)

    async def change_sandbox(
        self,
        change: Callable[[Sandbox], Sandbox | None],
        *,
        known: Sandbox | None = None,
        event: OutgoingEvent | None = None,
    ) -> Sandbox | None:
        return await self._sandboxes.apply(self.owner_id, change, known=known, event=event)

    @asynccontextmanager
    async def phase(self, name: PhaseName, detail: str = "") -> AsyncIterator[None]:
        """A part of the launch that a person sees."""
        await self.write(lambda launch: launch.phase_started(name, self.clock()))
        outcome, began = "failed", time.monotonic()
        try:
            with span(f"launch phase {name}"):
                yield
            outcome = "done"
        except AppError as exc:
            if not isinstance(exc, ClaimLostError | LaunchCancelledError):
                text = exc.detail
                await self.write(lambda launch: launch.phase_failed(name, self.clock(), text))
            raise
        finally:
            LAUNCH_PHASE.record(time.monotonic() - began, phase=name, outcome=outcome)
        await self.write(lambda launch: launch.phase_completed(name, self.clock(), detail))

    async def step(self, name: str, call: Callable[[], Awaitable[ValueT]]) -> ValueT:
        """Do one step, again while somebody does not answer: every step may be done twice."""
        await self._probe.at(name, "before")
        with span(f"launch step {name}"):
            value = await self.persistently(call)
        await self._probe.at(name, "after")
        return value

    async def persistently(self, call: Callable[[], Awaitable[ValueT]]) -> ValueT:
        return await self._persistence.run(call)

    async def _tell_pause(self, exc: AppError, pause_s: float) -> None:
        logger.warning("launch %s: %s", self._launch.id, exc.detail)
        if isinstance(exc, RateLimitedError):
            await self.notice(f"{exc.detail}; going on in {pause_s:.0f} s")

    async def end(
        self, state: LaunchState, *, error: Failure | None = None, receipt: Receipt | None = None
    ) -> Launch:
        """The launch's last write, with its events."""
        self._is_closing = True
        ended = self._launch.ended(state, self.clock(), error=error, receipt=receipt)
        written = await self.write(
            lambda launch: launch.ended(state, self.clock(), error=error, receipt=receipt),
            events=ending_events(ended),
        )
        measure_end(written)
        return written

    def close(self) -> None:
        """From here on a cancellation changes nothing: the worker is ending the launch."""
        self._is_closing = True

    async def give_back(self, now: datetime) -> None:
        """Let another worker go on at once."""
        with contextlib.suppress(AppError):
            await self.write(lambda launch: launch.renewed(now))


def ending_events(launch: Launch) -> tuple[OutgoingEvent, ...]:
    changed = launch_changed(launch)
    recorded = TrialRecorded(**changed.model_dump(), trial_id=trial_id(launch.id))
    at = launch.ended_at or launch.created_at
    return (
        LAUNCH_ENDED.of(changed, entity_id=launch.id, at=at),
        TRIAL_RECORDED.of(recorded, entity_id=recorded.trial_id, at=at),
    )


def measure_end(launch: Launch) -> None:
    path = launch.path or "none"
    code = launch.error.code if launch.error else OK
    LAUNCHES.add(path=path, outcome=launch.state, code=code)
    seconds = (launch.duration_ms or 0) / 1000
    LAUNCH_DURATION.record(seconds, path=path, outcome=launch.state)


def failure_of(problem: Exception) -> Failure:
    """The text of a bug stays inside."""
    if isinstance(problem, AppError):
        return Failure(code=problem.code, detail=problem.detail, retry_at=problem.retry_at)
    return Failure(code=ErrorCode.INTERNAL, detail="something went wrong on our side")


def launch_changed(launch: Launch) -> LaunchChanged:
    skill = launch.skill
    return LaunchChanged(
        owner_id=launch.owner_id,
        launch_id=launch.id,
        state=launch.state,
        path=launch.path,
        skill=skill_path(skill.owner, skill.repo, skill.path),
        commit=skill.commit,
        digest=skill.digest,
        code=launch.error.code if launch.error else None,
        duration_ms=launch.duration_ms,
    )


def trial_id(launch_id: str) -> str:
    """A trial is its launch as history, under a name of its own."""
    return f"tri_{launch_id.removeprefix('lau_')}"


async def together(*work: Coroutine[Any, Any, Any]) -> None:
    """Run all; the first failure ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for part in work:
                group.create_task(part)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
