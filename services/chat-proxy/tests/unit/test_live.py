"""The last entries of a turn reach the bus, also when the connection breaks under them."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from chat_proxy.adapters.live import BusJournal
from chat_proxy.model.journal import Entry
from common.errors import UnavailableError
from common.testing.fakes import START

ENDED = Entry(7, START, "tur_1", "turn.ended", {"state": "completed", "error": None})


@dataclass
class BreakingBus:
    """Loses the connection at these flushes, in which the server had everything or nothing."""

    breaks: list[bool]
    interruptions: int = 0
    told: list[str] = field(default_factory=list)

    def append(self, subject: str, lines: list[bytes]) -> bool:
        self.told.append(subject)
        return True

    async def flush(self) -> None:
        if self.breaks and self.breaks.pop(0):
            self.interruptions += 1
            if not self.breaks:
                raise UnavailableError("the bus is away")


async def assured(bus: Any) -> int:
    live = BusJournal(bus)
    live.assure("ses_1", [ENDED])
    async with asyncio.timeout(5):
        while live._assuring:
            await asyncio.sleep(0)
    return len(bus.told)


class TestAssure:
    async def test_what_arrived_is_not_told_again(self) -> None:
        assert await assured(BreakingBus([False])) == 0

    async def test_what_was_lost_on_its_way_is_told_again_until_it_arrived(self) -> None:
        assert await assured(BreakingBus([True, True, False])) == 2
