"""What an operator does from the command line: look, block, drain. Every deed is written into the
audit before it takes effect.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from common.clock import Clock
from common.contracts import operating as wire
from common.contracts.operating import RestrictionKind
from common.errors import ErrorCode, NotFoundError
from common.ids import new_id

from sandbox_manager.model.restriction import (
    EVERYBODY,
    Deed,
    Restriction,
    SkillTarget,
    key_of,
    owner_keys,
)
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.ports.stores import Deeds, Launches, Restrictions, Sandboxes
from sandbox_manager.service.surveying import Survey, Surveying


@dataclass(frozen=True)
class Operating:
    sandboxes: Sandboxes
    launches: Launches
    restrictions: Restrictions
    deeds: Deeds
    surveying: Surveying
    clock: Clock

    async def list(self, request: wire.ListSandboxes) -> tuple[Sequence[Sandbox], str | None]:
        """A page of the sandboxes that exist, and whose owner the next one begins after."""
        target = SkillTarget.named(request.skill) if request.skill else None
        found = sorted(
            (
                sandbox
                for sandbox in await self.sandboxes.existing()
                if sandbox.owner_id > request.after
                and request.state in (None, sandbox.state)
                and request.owner_id in (None, sandbox.owner_id)
                and (target is None or _has(sandbox, target))
            ),
            key=lambda sandbox: sandbox.owner_id,
        )
        page = found[: request.limit]
        return page, page[-1].owner_id if len(found) > len(page) else None

    async def survey(self) -> Survey:
        return await self.surveying.run()

    async def standing(self) -> Sequence[Restriction]:
        return await self.restrictions.all()

    async def block(self, request: wire.BlockSkill) -> Restriction:
        target = SkillTarget.named(request.skill)
        return await self._restrict("block", target.kind, target.what, request)

    async def unblock(self, request: wire.UnblockSkill) -> None:
        target = SkillTarget.named(request.skill)
        await self._lift("unblock", target.kind, target.what, request)

    async def drain(self, request: wire.Drain) -> Restriction:
        return await self._restrict("drain", *_drained(request.owner_id), request)

    async def resume(self, request: wire.Resume) -> None:
        await self._lift("resume", *_drained(request.owner_id), request)

    async def activity(self, owner_id: str | None) -> wire.Activity:
        standing, launches, sandboxes = await asyncio.gather(
            self.restrictions.standing(owner_keys(owner_id)),
            self.launches.count_running(owner_id) if owner_id else self.launches.count_all(),
            self._sandboxes_of(owner_id),
        )
        now = self.clock()
        return wire.Activity(
            is_drained=bool(standing),
            launches=launches,
            turns=sum(len(sandbox.live_leases(now)) for sandbox in sandboxes),
        )

    async def audit(self, limit: int) -> Sequence[Deed]:
        return await self.deeds.newest(limit)

    async def _sandboxes_of(self, owner_id: str | None) -> Sequence[Sandbox]:
        if owner_id is None:
            return await self.sandboxes.existing()
        return [await self.sandboxes.get(owner_id)]

    async def _restrict(
        self,
        action: str,
        kind: RestrictionKind,
        what: str,
        asked: wire.BlockSkill | wire.Drain,
    ) -> Restriction:
        await self._note(action, what, asked.by, asked.reason)
        restriction = Restriction(
            kind=kind, what=what, reason=asked.reason, by=asked.by, at=self.clock()
        )
        await self.restrictions.put(restriction)
        return restriction

    async def _lift(
        self,
        action: str,
        kind: RestrictionKind,
        what: str,
        asked: wire.UnblockSkill | wire.Resume,
    ) -> None:
        key = key_of(kind, what)
        if not await self.restrictions.standing((key,)):
            raise NotFoundError(f"{what} is not restricted", code=ErrorCode.NOT_FOUND)
        await self._note(action, what, asked.by, asked.reason)
        await self.restrictions.lift(key)

    async def _note(self, action: str, what: str, by: str, reason: str) -> None:
        deed = Deed(
            id=new_id("deed"), at=self.clock(), by=by, action=action, what=what, reason=reason
        )
        await self.deeds.add(deed)


def _drained(owner_id: str | None) -> tuple[RestrictionKind, str]:
    if owner_id is None:
        return RestrictionKind.PLATFORM, EVERYBODY
    return RestrictionKind.OWNER, owner_id


def _has(sandbox: Sandbox, target: SkillTarget) -> bool:
    return any(target.covers(installed.skill) for installed in sandbox.skills.values())
