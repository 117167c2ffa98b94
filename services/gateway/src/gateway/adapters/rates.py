"""Who asks how often, in the memory of this process: a leaky bucket each."""

from collections import OrderedDict

from aiolimiter import AsyncLimiter

_MOST = 20_000
_PERIOD_S = 60.0


class LeakyBuckets:
    """`Rates`: so many a minute, in a burst at most; each replica counts for itself."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._buckets: OrderedDict[str, AsyncLimiter] = OrderedDict()

    async def hit(self, who: str) -> float | None:
        bucket = self._buckets.get(who)
        if bucket is None:
            bucket = self._buckets[who] = AsyncLimiter(self.per_minute, _PERIOD_S)
            while len(self._buckets) > _MOST:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(who)
        if not bucket.has_capacity():
            return _PERIOD_S / self.per_minute
        await bucket.acquire()
        return None
