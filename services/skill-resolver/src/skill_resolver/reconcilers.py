"""What nobody asks for any more is forgotten: answers first, then the bundles no answer names."""

from datetime import timedelta

from common.clock import Clock

from skill_resolver.ports import Bundles, Resolutions


class ForgetUnused:
    def __init__(
        self, known: Resolutions, bundles: Bundles, *, after: timedelta, clock: Clock
    ) -> None:
        self._known = known
        self._bundles = bundles
        self._after = after
        self._clock = clock

    async def run_once(self) -> int:
        digests = await self._known.forget_unused(self._clock() - self._after)
        for digest in digests:
            await self._bundles.delete(digest)
        return len(digests)
