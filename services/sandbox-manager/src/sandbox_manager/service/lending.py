"""Lending the agent: its endpoint and a use-lease, given in one step.

While a use-lease is live nobody stops, deletes or restarts. Before it, `Readying` does what is
due: a sandbox that sleeps is woken, an agent that died is started again, a config that waits is
given to it, never during another lease.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from common.clock import Clock
from common.contracts.sandbox import AcquireAgent, LaunchSkill, SandboxState
from common.errors import (
    AppError,
    ConflictError,
    ErrorCode,
    ForbiddenError,
    GoneError,
    UnauthenticatedError,
)
from common.ids import new_id

from sandbox_manager.errors import (
    InstallFailedError,
    QuotaExceededError,
    SandboxStoppedError,
)
from sandbox_manager.model.config import WORK_ROOT
from sandbox_manager.model.directory import SKILLS_ROOT
from sandbox_manager.model.plan import AGENT_PORT, RAW_PORT
from sandbox_manager.model.record import ModelChoice, Right, UseLease
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.ports.inside import Inside
from sandbox_manager.ports.stores import Sandboxes
from sandbox_manager.service.caring import AgentCare
from sandbox_manager.service.gate import Gate
from sandbox_manager.service.pool import Pool
from sandbox_manager.service.preparing import Preparation
from sandbox_manager.service.readying import RETRY, Look, Readying

logger = logging.getLogger(__name__)

USE_TTL = timedelta(seconds=60)
_KEPT_WORKSPACES = 500
_STAGED = (
    "New settings wait for the answer in another tab to end; this turn still has the earlier ones."
)


@dataclass(frozen=True)
class LentAgent:
    """`notices`: what the user should know about this turn."""

    lease: UseLease
    sandbox: Sandbox
    url: str
    token: str
    workspace: str
    skill_directory: str
    choice: ModelChoice | None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lending:
    sandboxes: Sandboxes
    inside: Inside
    preparation: Preparation
    care: AgentCare
    readying: Readying
    pool: Pool
    gate: Gate
    most_leases: int
    clock: Clock

    async def acquire(self, request: AcquireAgent) -> LentAgent:
        """Raises SANDBOX_NOT_FOUND or LAUNCH_NOT_READY where a new launch is needed."""
        look = await self.readying.look(request.owner_id)
        lent = await self._at_hand(look, request)
        if lent is None:
            sandbox = await self._admitted(request.owner_id, request, look)
            lent = await self._granted(sandbox, request)
        lease, sandbox = lent
        try:
            await self._prepare(sandbox, request)
            secrets = await self.readying.secrets(sandbox)
        except AppError:
            await self.release(request.owner_id, lease.id)
            raise
        self.pool.keep_running(sandbox)
        return LentAgent(
            lease=lease,
            sandbox=sandbox,
            url=self.preparation.url(sandbox, AGENT_PORT),
            token=self.preparation.agent_token(sandbox),
            workspace=_workspace(request.session_id),
            skill_directory=f"{SKILLS_ROOT}/{request.skill_directory}",
            choice=sandbox.choice,
            secrets=secrets,
            notices=(_STAGED,) if sandbox.staged_hash is not None else (),
        )

    async def acquire_raw(self, owner_id: str) -> tuple[UseLease, str, str]:
        """A use-lease, the address and the key of Hermes' API server, started on demand."""
        sandbox = await self._admitted(owner_id)
        sandbox = await self.care.signed(sandbox, RAW_PORT)
        if not await self.preparation.is_raw_up(sandbox):
            async with self.readying.agent_slot(owner_id) as right:
                sandbox = await self._raw_started(owner_id, right)
        lease, sandbox = await self._granted(sandbox)
        url = self.preparation.url(sandbox, RAW_PORT)
        return lease, url, self.preparation.raw_key(sandbox)

    async def renew(self, owner_id: str, lease_id: str) -> UseLease:
        """Raises GoneError when it has ended, SKILL_BLOCKED when the turn's skill is blocked by
        now.
        """
        now = self.clock()
        until = now + USE_TTL
        renewed = await self.sandboxes.apply(
            owner_id, lambda sandbox: sandbox.renewed(lease_id, now=now, until=until)
        )
        if renewed is None:
            message = "this use-lease has ended"
            raise GoneError(message)
        await self._check_block(renewed, lease_id)
        self.pool.keep_running(renewed)
        return UseLease(id=lease_id, until=until)

    async def release(self, owner_id: str, lease_id: str) -> None:
        """A use-lease that has ended is not an error."""
        await self.sandboxes.apply(owner_id, lambda sandbox: sandbox.unused(lease_id))

    async def authorize_relay(self, sha256: str) -> Sandbox:
        """Whose sandbox holds this token; the tokens of a deleted sandbox are gone with it."""
        sandbox = await self.sandboxes.by_relay_token(sha256)
        if sandbox is None or sandbox.state in {SandboxState.ABSENT, SandboxState.DELETING}:
            message = "this relay token is not good (any more)"
            raise UnauthenticatedError(message, code=ErrorCode.TOKEN_INVALID)
        return sandbox

    async def _at_hand(self, look: Look, request: AcquireAgent) -> tuple[UseLease, Sandbox] | None:
        """The use-lease at once, where the record says that nothing is due: it is taken while that
        is checked, and given back where it is not so.
        """
        if not self.readying.is_at_hand(look.sandbox, request.turn_id):
            return None
        taking = asyncio.ensure_future(self._granted(look.sandbox, request))
        try:
            is_due, blocked = await asyncio.gather(
                self.readying.is_due(look), self._blocked(look.sandbox, request)
            )
        except BaseException:
            await self._give_back(request.owner_id, taking)
            raise
        if is_due or blocked:
            await self._give_back(request.owner_id, taking)
            return None
        return await taking

    async def _give_back(
        self, owner_id: str, taking: asyncio.Future[tuple[UseLease, Sandbox]]
    ) -> None:
        with contextlib.suppress(AppError):
            lease, _ = await taking
            await self.release(owner_id, lease.id)

    async def _admitted(
        self, owner_id: str, request: AcquireAgent | None = None, look: Look | None = None
    ) -> Sandbox:
        """Ready, and past the gate: with nothing in it that the operator blocks."""
        turn_id = request.turn_id if request is not None else None
        sandbox = await self.readying.run(owner_id, turn_id=turn_id, look=look)
        blocked = await self._blocked(sandbox, request)
        if not blocked:
            return sandbox
        for skill in blocked:
            logger.warning("%s is blocked and taken out of %s", skill.directory, owner_id)
            await self.pool.remove_skill(owner_id, skill.directory)
        return await self.readying.run(owner_id)

    async def _blocked(
        self, sandbox: Sandbox, request: AcquireAgent | None
    ) -> tuple[LaunchSkill, ...]:
        """What the gate wants taken out of the sandbox. Raises what it refuses."""
        installed = sandbox.installed(request.skill_directory) if request is not None else None
        return await self.gate.check_turn(
            sandbox,
            installed.skill if installed is not None else None,
            goes_on=request is not None and request.goes_on,
        )

    async def _check_block(self, sandbox: Sandbox, lease_id: str) -> None:
        (lease,) = (one for one in sandbox.leases if one.id == lease_id)
        if lease.skill is None:
            return
        try:
            await self.gate.check_going_on(lease.skill)
        except ForbiddenError:
            await self.release(sandbox.owner_id, lease_id)
            raise

    async def _granted(
        self, sandbox: Sandbox, request: AcquireAgent | None = None
    ) -> tuple[UseLease, Sandbox]:
        """The use-lease and the record it was written into, in one compare-and-set."""

        def grant(record: Sandbox) -> Sandbox:
            now = self.clock()
            if len(record.live_leases(now)) >= self.most_leases:
                raise QuotaExceededError(
                    f"at most {self.most_leases} turns of one owner run at once",
                    retry_at=now + RETRY,
                )
            if record.create_id != sandbox.create_id:
                message = "the sandbox is another one now"
                raise SandboxStoppedError(message)
            if request is None:
                return record.granted(lease, now)
            skill = _checked(record, request)
            return record.granted(lease.model_copy(update={"skill": skill}), now)

        lease = UseLease(
            id=new_id("use"),
            until=self.clock() + USE_TTL,
            session_id=request.session_id if request is not None else None,
            turn_id=request.turn_id if request is not None else None,
        )
        # As it was just read, which saves reading it again; after that as it is.
        known = [sandbox]
        granted = await self.readying.while_busy(
            lambda: self.sandboxes.apply(
                sandbox.owner_id, grant, known=known.pop() if known else None
            )
        )
        return lease, granted or sandbox

    async def _prepare(self, sandbox: Sandbox, request: AcquireAgent) -> None:
        """A workspace for the session, and the skill's bytes compared, where that is due."""
        is_known = request.session_id in sandbox.workspaces
        if is_known and not request.verify:
            return
        look = await self.inside.look(
            sandbox.provider_id or "",
            directory=request.skill_directory if request.verify else None,
            workspace=_workspace(request.session_id),
        )
        if request.verify and look.digest != request.digest:
            await self.sandboxes.apply(
                request.owner_id, lambda record: _forgotten(record, request)
            )
            message = "the skill's files in the sandbox were changed; launch the skill again"
            raise InstallFailedError(message)
        if not is_known:
            await self.sandboxes.apply(
                request.owner_id,
                lambda record: record.with_changes(
                    workspaces=(*record.workspaces, request.session_id)[-_KEPT_WORKSPACES:]
                ),
            )

    async def _raw_started(self, owner_id: str, right: Right) -> Sandbox:
        sandbox = await self.sandboxes.get(owner_id)
        if await self.preparation.is_raw_up(sandbox):
            return sandbox
        changes = await self.preparation.start_raw(sandbox)
        changed = await self.care.under_slot(sandbox, right, changes)
        await self.preparation.wait_for_raw(changed)
        return changed


def _workspace(session_id: str) -> str:
    return f"{WORK_ROOT}/{session_id}"


def _checked(sandbox: Sandbox, request: AcquireAgent) -> LaunchSkill:
    """The installed skill that the turn is for."""
    found = sandbox.installed(request.skill_directory)
    if found is None or found.skill.digest != request.digest:
        message = "the skill is not in the sandbox (any more); launch it again"
        raise ConflictError(
            message,
            code=ErrorCode.LAUNCH_NOT_READY,
        )
    return found.skill


def _forgotten(record: Sandbox, request: AcquireAgent) -> Sandbox | None:
    """So that the next launch puts the files back."""
    skills = {
        key: installed
        for key, installed in record.skills.items()
        if installed.skill.directory != request.skill_directory
    }
    return record.with_changes(skills=skills) if len(skills) < len(record.skills) else None
