"""Use cases of usage: what an owner spent, and the cap that refuses the next turn."""

import asyncio
from datetime import timedelta

from common.contracts import chat as contract
from common.errors import ErrorCode, RateLimitedError

from chat_proxy.model.usage import day_of, next_day, smallest
from chat_proxy.service.outside import Outside
from chat_proxy.service.wire import tokens_used

_SESSIONS = 100


class Spending:
    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    async def check(self, owner_id: str) -> None:
        """Raises RateLimitedError when the day's tokens are used up."""
        own = await self._outside.usage.cap(owner_id)
        cap = smallest(self._outside.limits.daily_tokens, own)
        if cap is None:
            return
        now = self._outside.clock()
        used = await self._outside.usage.total(owner_id, day_of(now))
        if used < cap:
            return
        whose = "your own limit" if cap == own else "the limit of this platform"
        raise RateLimitedError(
            f"{used} tokens were used today, which uses up {whose} of {cap} tokens a day;"
            " it starts anew at midnight UTC",
            code=ErrorCode.QUOTA_EXCEEDED,
            retry_at=next_day(now),
            extra={"limit": "tokens_per_day", "value": cap, "used": used},
        )

    async def report(self, owner_id: str, *, days: int) -> contract.UsageReport:
        since = day_of(self._outside.clock() - timedelta(days=days - 1))
        usage = self._outside.usage
        by_day, by_session, cap = await asyncio.gather(
            usage.by_day(owner_id, since=since),
            usage.by_session(owner_id, since=since, limit=_SESSIONS),
            self._cap(owner_id),
        )
        titles = await self._outside.sessions.titles(
            owner_id, [one.session_id for one in by_session]
        )
        return contract.UsageReport(
            cap=cap,
            days=[
                contract.DayUsage(day=day, **tokens_used(spent).model_dump())
                for day, spent in by_day
            ],
            sessions=[
                contract.SessionUsage(
                    session_id=one.session_id,
                    title=titles.get(one.session_id),
                    last_at=one.last_at,
                    **tokens_used(one.spent).model_dump(),
                )
                for one in by_session
            ],
        )

    async def set_cap(self, owner_id: str, daily_tokens: int | None) -> contract.TokenCap:
        """The owner's own; it can only be tighter than the operator's."""
        await self._outside.usage.set_cap(owner_id, daily_tokens, self._outside.clock())
        return await self._cap(owner_id)

    async def _cap(self, owner_id: str) -> contract.TokenCap:
        now, operators = self._outside.clock(), self._outside.limits.daily_tokens
        own, used = await asyncio.gather(
            self._outside.usage.cap(owner_id), self._outside.usage.total(owner_id, day_of(now))
        )
        return contract.TokenCap(
            daily_tokens=smallest(operators, own),
            own=own,
            operator=operators,
            used=used,
            resets_at=next_day(now),
        )
