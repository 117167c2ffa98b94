"""What nobody asks for any more is forgotten: answers first, then the bundles no answer names."""

from datetime import timedelta

from common.clock import Clock

from skill_resolver.ports import Bundles, Resolutions

_ANSWERED_WITHIN = timedelta(days=1)
"""A bundle is written before its answer; one that is older and still has none never gets one."""


class ForgetUnused:
    def __init__(
        self, known: Resolutions, bundles: Bundles, *, after: timedelta, clock: Clock
    ) -> None:
        self._known = known
        self._bundles = bundles
        self._after = after
        self._clock = clock

    async def run_once(self) -> int:
        forgotten = await self._known.forget_unused(self._clock() - self._after)
        old = await self._bundles.written_before(self._clock() - _ANSWERED_WITHIN)
        orphans = await self._known.unknown(old)
        gone = {*forgotten, *orphans}
        for digest in gone:
            await self._bundles.delete(digest)
        return len(gone)
