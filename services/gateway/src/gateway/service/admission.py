"""How much one caller may have of this process, so that there is something left for the others."""

from collections import Counter
from datetime import timedelta

from common.clock import Clock, utc_now
from common.errors import RateLimitedError, UnavailableError

from gateway.ports import Rates


class Admission:
    """Rates by address and by owner, and requests under way, of all and of one owner."""

    def __init__(
        self,
        *,
        addresses: Rates,
        owners: Rates,
        most_at_once: int,
        most_of_owner: int,
        clock: Clock = utc_now,
    ) -> None:
        self._addresses = addresses
        self._owners = owners
        self._most_at_once = most_at_once
        self._most_of_owner = most_of_owner
        self._clock = clock
        self._at_once = 0
        self._of_owner = Counter[str]()

    @property
    def limits(self) -> dict[str, int]:
        """What an owner may have."""
        return {
            "requests_per_minute": self._owners.per_minute,
            "requests_at_once": self._most_of_owner,
        }

    async def address(self, address: str) -> None:
        """Raises RateLimitedError."""
        await self._hit(self._addresses, address, "this address")

    def enter(self) -> None:
        """One more is under way, until `leave`. Raises UnavailableError where it is too much."""
        if self._at_once >= self._most_at_once:
            message = "too many requests are under way here: come back in a moment"
            raise UnavailableError(message)
        self._at_once += 1

    def leave(self) -> None:
        self._at_once -= 1

    async def owner(self, owner_id: str) -> None:
        """Count a request of the owner's, until `done`. Raises RateLimitedError."""
        if self._of_owner[owner_id] >= self._most_of_owner:
            message = f"{self._most_of_owner} requests of yours are under way: wait for one"
            raise RateLimitedError(message)
        await self._hit(self._owners, owner_id, "you")
        self._of_owner[owner_id] += 1

    def done(self, owner_id: str) -> None:
        self._of_owner[owner_id] -= 1
        if not self._of_owner[owner_id]:
            del self._of_owner[owner_id]

    async def _hit(self, rates: Rates, who: str, named: str) -> None:
        wait_s = await rates.hit(who)
        if wait_s is not None:
            message = f"{rates.per_minute} requests a minute are the most for {named}"
            raise RateLimitedError(message, retry_at=self._clock() + timedelta(seconds=wait_s))
