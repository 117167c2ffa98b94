"""Starting launches, and what is asked about them."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.clock import Clock
from common.contracts import sandbox as wire
from common.contracts.events import LAUNCH_REQUESTED, OutgoingEvent
from common.contracts.sandbox import LaunchState, SandboxState
from common.contracts.skills import ResolvedSkill
from common.errors import (
    ConflictError,
    ErrorCode,
    InvalidError,
    NotFoundError,
    UnavailableError,
)
from common.ids import new_id
from common.telemetry.tracing import current_trace

from sandbox_manager.errors import QuotaExceededError
from sandbox_manager.model.directory import skill_directory
from sandbox_manager.model.launch import AskedBy, Claim, Launch, running_key
from sandbox_manager.model.plan import Install, Instant, is_reachable, plan
from sandbox_manager.model.record import Variable
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.ports.services import LaunchJournal, Skills
from sandbox_manager.ports.stores import Launches, Sandboxes
from sandbox_manager.service.background import Background
from sandbox_manager.service.configuring import Configs, Wanted
from sandbox_manager.service.desk import CLAIM_TTL, ending_events, launch_changed, measure_end
from sandbox_manager.service.driving import LaunchDriver, notices
from sandbox_manager.service.gate import Gate
from sandbox_manager.service.preparing import Preparation
from sandbox_manager.service.receipts import Receipts

MOST_TRIALS = 50
INSTALL = wire.LaunchPath.INSTALL
_INSTANT_CHECK = timedelta(seconds=1)
_TRIES = 3


@dataclass(frozen=True)
class Launching:
    worker: str
    launches: Launches
    sandboxes: Sandboxes
    skills: Skills
    journal: LaunchJournal
    configs: Configs
    preparation: Preparation
    gate: Gate
    driver: LaunchDriver
    background: Background
    most_launches: int
    receipts: Receipts
    clock: Clock
    claim_ttl: timedelta = CLAIM_TTL

    async def start(self, request: wire.StartLaunch) -> Launch:
        """Begin a launch, or give the one that already answers this request.

        An instant launch has ended when this returns; any other goes on in the background, here or
        in the process that takes it over.
        """
        begun, asked = self.clock(), _asked_by(request)
        if asked is not None and (known := await self.launches.asked(asked)) is not None:
            return _same_request(known, asked)
        skill, facts, (sandbox, is_up) = await asyncio.gather(
            self._resolved(request), self.configs.facts(request.owner_id), self._seen(request)
        )
        now = self.clock()
        await self.gate.check(request.owner_id, skill, request.report_ack, now)
        launch = self._new(request, skill, asked, begun)
        wanted = self.configs.wanted_for(facts, sandbox, launch)
        step = plan(sandbox, launch.skill, wanted.config_hash, now)
        is_here = sandbox.account_stamp == facts.account_stamp
        if isinstance(step, Instant) and is_here and is_up:
            return await self._add_instant(launch, sandbox, wanted)
        launch = launch.started(now)
        if isinstance(step, Instant | Install) and is_here:
            reason = "the agent does not answer" if isinstance(step, Instant) else ""
            launch = launch.planned(INSTALL, now, reason)
        return await self._add(_noticed(launch, notices(wanted), now), asked)

    async def get(self, owner_id: str, launch_id: str) -> Launch:
        launch = await self.launches.get(launch_id)
        if launch is None or launch.owner_id != owner_id:
            message = "no such launch"
            raise NotFoundError(message, code=ErrorCode.LAUNCH_NOT_FOUND)
        return launch

    async def cancel(self, owner_id: str, launch_id: str) -> Launch:
        """Ask the worker to stop; what was made is deleted before the launch ends."""
        launch = await self.get(owner_id, launch_id)
        changed = await self.launches.apply(
            launch_id, lambda record: record.cancel_requested(), known=launch
        )
        self.driver.hint(launch_id)
        return changed or await self.get(owner_id, launch_id)

    async def receipt(self, owner_id: str, launch_id: str) -> wire.Receipt:
        launch = await self.get(owner_id, launch_id)
        if launch.receipt is None:
            message = "only a launch that is ready has a receipt"
            raise ConflictError(message, code=ErrorCode.LAUNCH_NOT_READY)
        return launch.receipt

    async def trials(self, owner_id: str) -> list[Launch]:
        """A trial is a launch as history: one fact, kept once."""
        return list(await self.launches.newest(owner_id, MOST_TRIALS))

    async def _resolved(self, request: wire.StartLaunch) -> ResolvedSkill:
        """What `ref` means now, or exactly what was previewed if it is the same skill."""
        if request.digest is None:
            return await self.skills.resolve(request.ref)
        pinned = await self.skills.get(request.digest)
        if pinned.ref == request.ref:
            return pinned
        current = await self.skills.resolve(request.ref)
        if current.digest == request.digest:
            return current
        if _identity(pinned) != _identity(current):
            message = "the digest belongs to another skill than the reference"
            raise InvalidError(message)
        return pinned

    async def _seen(self, request: wire.StartLaunch) -> tuple[Sandbox, bool]:
        """The record, and whether the agent answers where that could matter."""
        sandbox = await self.sandboxes.get(request.owner_id)
        may_be_instant = sandbox.state is SandboxState.ACTIVE and is_reachable(
            sandbox, self.clock()
        )
        if not may_be_instant:
            return sandbox, False
        return sandbox, await self.preparation.is_agent_up(sandbox, _INSTANT_CHECK)

    def _new(
        self,
        request: wire.StartLaunch,
        skill: ResolvedSkill,
        asked: AskedBy | None,
        begun: datetime,
    ) -> Launch:
        launch_id = new_id("lau")
        launched = wire.LaunchSkill(
            ref=request.ref,
            owner=skill.owner,
            repo=skill.repo,
            commit=skill.commit,
            path=skill.path,
            name=skill.name,
            digest=skill.digest,
            directory=skill_directory(skill.owner, skill.repo, skill.path),
        )
        return Launch(
            id=launch_id,
            owner_id=request.owner_id,
            ref=request.ref,
            skill=launched,
            variables=tuple(
                Variable(name=variable.name, is_required=variable.required)
                for variable in skill.env_vars
            ),
            verdict=skill.report.verdict,
            report_digest=report_digest(skill),
            asked_by=(asked or AskedBy(key=launch_id),),
            running_key=running_key(request.owner_id, launched),
            claim=Claim(worker=self.worker, token=1, until=self.clock() + self.claim_ttl),
            created_at=begun,
            traceparent=current_trace(),
        )

    async def _add_instant(self, launch: Launch, sandbox: Sandbox, wanted: Wanted) -> Launch:
        """All of it in one write."""
        now = self.clock()
        launch = launch.started(now).planned(wire.LaunchPath.INSTANT, now)
        launch = _noticed(launch, notices(wanted), now)
        receipt = self.receipts.of(launch, sandbox, wanted)
        launch = launch.ended(LaunchState.READY, self.clock(), receipt=receipt)
        events = (_requested(launch), *ending_events(launch))
        if await self.launches.add(launch, events=events) is None:
            return await self._answered(launch)
        measure_end(launch)
        await self.journal.publish(launch.id, launch.entries)
        return launch

    async def _add(self, launch: Launch, asked: AskedBy | None) -> Launch:
        """A launch of the same skill that runs already is this one."""
        for _ in range(_TRIES):
            running = await self.launches.running(launch.running_key)
            if running is not None:
                return await self._joined(running, asked)
            await self._check_quota(launch.owner_id)
            if await self.launches.add(launch, events=(_requested(launch),)) is not None:
                self.background.start(self.driver.drive(launch))
                return launch
        return await self._answered(launch)

    async def _joined(self, running: Launch, asked: AskedBy | None) -> Launch:
        if asked is None:
            return running
        joined = await self.launches.apply(
            running.id, lambda launch: launch.asked_again(asked), known=running
        )
        return joined or running

    async def _answered(self, launch: Launch) -> Launch:
        known = await self.launches.asked(launch.asked_by[0])
        known = known or await self.launches.running(launch.running_key)
        if known is None:
            message = "the launch could not be recorded; try again"
            raise UnavailableError(message)
        return known

    async def _check_quota(self, owner_id: str) -> None:
        if await self.launches.count_running(owner_id) >= self.most_launches:
            raise QuotaExceededError(
                f"at most {self.most_launches} launches of one owner run at once",
                retry_at=self.clock() + timedelta(seconds=10),
            )


def _noticed(launch: Launch, texts: Sequence[str], now: datetime) -> Launch:
    for text in texts:
        launch = launch.noticed(text, now)
    return launch


def _asked_by(request: wire.StartLaunch) -> AskedBy | None:
    if request.idempotency_key is None:
        return None
    asked = json.dumps([request.ref, request.digest]).encode()
    return AskedBy(
        key=f"{request.owner_id}:{request.idempotency_key}",
        fingerprint=hashlib.sha256(asked).hexdigest(),
    )


def _same_request(known: Launch, asked: AskedBy) -> Launch:
    if any(
        one.key == asked.key and one.fingerprint == asked.fingerprint for one in known.asked_by
    ):
        return known
    message = "this idempotency key was used for another launch"
    raise ConflictError(message, code=ErrorCode.IDEMPOTENCY_MISMATCH)


def report_digest(skill: ResolvedSkill) -> str:
    """Names the safety report a launch passed with."""
    text = json.dumps(skill.report.model_dump(mode="json"), sort_keys=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _identity(skill: ResolvedSkill) -> tuple[str, str, str]:
    return skill.owner.lower(), skill.repo.lower(), skill.path


def _requested(launch: Launch) -> OutgoingEvent:
    begun = launch_changed(launch).model_copy(
        update={"state": LaunchState.PENDING, "path": None, "code": None, "duration_ms": None}
    )
    return LAUNCH_REQUESTED.of(begun, entity_id=launch.id, at=launch.created_at)
