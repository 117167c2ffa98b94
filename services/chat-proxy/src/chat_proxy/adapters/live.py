"""The live journal on the bus."""

import logging
from collections.abc import Sequence
from datetime import datetime

from common.contracts.chat import session_journal
from common.errors import UnavailableError
from common.messaging.journal import Journal

from chat_proxy.model.journal import Entry, entry_from_line
from chat_proxy.ports import LiveJournal

logger = logging.getLogger(__name__)


class BusJournal(LiveJournal):
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def publish(self, session_id: str, entries: Sequence[Entry]) -> None:
        try:
            await self._journal.append(
                session_journal(session_id), [entry.line() for entry in entries]
            )
        except UnavailableError as exc:
            # Viewers see the missing numbers and attach again: the store has them.
            logger.warning("entries were not told: %s", exc.detail)

    async def forget(self, session_id: str) -> None:
        await self._journal.forget(session_journal(session_id))

    async def captured(self, session_id: str, after: int, since: datetime) -> list[Entry]:
        found: dict[int, Entry] = {}
        async for line in self._journal.captured(session_journal(session_id), since=since):
            entry = entry_from_line(line)
            if entry.seq > after:
                found.setdefault(entry.seq, entry)
        return _without_gap(found, after)


def _without_gap(found: dict[int, Entry], after: int) -> list[Entry]:
    entries: list[Entry] = []
    while (number := after + len(entries) + 1) in found:
        entries.append(found[number])
    return entries
