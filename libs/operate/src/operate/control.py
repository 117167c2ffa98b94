"""What sandbox-manager does for an operator: lists, the balance, blocks, drains."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

from common.contracts import operating as wire
from common.contracts.sandbox import SandboxState
from common.messaging.rpc import RpcClient

from operate.errors import StillBusyError

Say = Callable[[str], object]

_SURVEY = timedelta(minutes=2)
_LOOK_S = 1.0


class Control:
    def __init__(self, rpc: RpcClient, by: str, say: Say) -> None:
        self._rpc = rpc
        self._by = by
        self._say = say

    async def sandboxes(
        self, *, state: str | None, owner_id: str | None, skill: str | None, as_json: bool
    ) -> None:
        total = 0
        chosen = SandboxState(state) if state else None
        async for line in self._lines(state=chosen, owner_id=owner_id, skill=skill):
            total += 1
            self._say(line.model_dump_json() if as_json else _sandbox(line))
        if not as_json:
            self._say(f"{total} sandboxes")

    async def balance(self) -> bool:
        """Whether it holds."""
        now = await self._rpc.call(wire.GET_BALANCE, wire.GetBalance(), within=_SURVEY)
        for finding in now.findings:
            owner = finding.owner_id or "nobody"
            self._say(f"{finding.remedy} {finding.sandbox_id} of {owner}: {finding.detail}")
        self._say(
            f"billed {now.billed} = recorded {now.recorded} + explained {now.explained}"
            f" + unexplained {now.unexplained}"
        )
        return now.unexplained == 0

    async def block(self, skill: str, reason: str) -> None:
        request = wire.BlockSkill(skill=skill, reason=reason, by=self._by)
        blocked = await self._rpc.call(wire.BLOCK_SKILL, request)
        self._say(f"blocked {blocked.kind} {blocked.what}")
        having = [line async for line in self._lines(skill=skill)]
        for line in having:
            self._say(f"it lies in {line.sandbox_id} of {line.owner_id}")
        if having:
            self._say("no turn of it begins, and its files go before the next turn there")

    async def unblock(self, skill: str, reason: str) -> None:
        request = wire.UnblockSkill(skill=skill, reason=reason, by=self._by)
        await self._rpc.call(wire.UNBLOCK_SKILL, request)
        self._say(f"not blocked any more: {skill}")

    async def drain(self, owner_id: str | None, reason: str, wait: timedelta | None) -> None:
        """Raises StillBusyError when something runs after that time."""
        request = wire.Drain(owner_id=owner_id, reason=reason, by=self._by)
        drained = await self._rpc.call(wire.DRAIN, request)
        self._say(f"drained: {drained.what}")
        if wait is not None:
            await self._idle(owner_id, wait)

    async def resume(self, owner_id: str | None, reason: str) -> None:
        request = wire.Resume(owner_id=owner_id, reason=reason, by=self._by)
        await self._rpc.call(wire.RESUME, request)
        self._say(f"goes on: {owner_id or 'everybody'}")

    async def activity(self, owner_id: str | None) -> wire.Activity:
        return await self._rpc.call(wire.GET_ACTIVITY, wire.GetActivity(owner_id=owner_id))

    async def restrictions(self) -> None:
        told = await self._rpc.call(wire.LIST_RESTRICTIONS, wire.ListRestrictions())
        for one in told.restrictions:
            word = "blocked" if one.kind in {"digest", "repository"} else "drained"
            self._say(f"{word} {one.what}  {_moment(one.at)} by {one.by}: {one.reason}")
        self._say(f"{len(told.restrictions)} restrictions")

    async def audit(self, limit: int) -> None:
        told = await self._rpc.call(wire.LIST_AUDIT, wire.ListAudit(limit=limit))
        for line in told.lines:
            self._say(f"{_moment(line.at)} {line.by}: {line.action} {line.what}: {line.reason}")

    async def _idle(self, owner_id: str | None, wait: timedelta) -> None:
        deadline, before = time.monotonic() + wait.total_seconds(), None
        while True:
            now = await self.activity(owner_id)
            if (now.launches, now.turns) != before:
                before = (now.launches, now.turns)
                self._say(f"{now.launches} launches and {now.turns} turns run")
            if now.launches + now.turns == 0:
                return
            if time.monotonic() >= deadline:
                message = "something still runs; nothing new begins"
                raise StillBusyError(message)
            await asyncio.sleep(_LOOK_S)

    async def _lines(
        self,
        *,
        state: SandboxState | None = None,
        owner_id: str | None = None,
        skill: str | None = None,
    ) -> AsyncIterator[wire.SandboxLine]:
        after: str | None = ""
        while after is not None:
            request = wire.ListSandboxes(state=state, owner_id=owner_id, skill=skill, after=after)
            page = await self._rpc.call(wire.LIST_SANDBOXES, request)
            for line in page.sandboxes:
                yield line
            after = page.after


def _sandbox(line: wire.SandboxLine) -> str:
    where = " (own account)" if line.is_own else ""
    used = _moment(line.last_used_at) if line.last_used_at else "never"
    skills = ", ".join(line.skills) or "none"
    return (
        f"{line.owner_id}  {line.state}  {line.sandbox_id or '-'}{where}"
        f"  in use {line.in_use}  last used {used}  skills: {skills}"
    )


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
