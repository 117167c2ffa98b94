"""The live journal on the bus."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime

from common.contracts.chat import session_journal
from common.errors import UnavailableError
from common.messaging.journal import Journal

from chat_proxy.model.journal import Entry, entry_from_line
from chat_proxy.ports import LiveJournal

logger = logging.getLogger(__name__)

_MESSAGE_BYTES = 512 * 1024
_TRIES = 12
_PAUSE_S = 1.0


class BusJournal(LiveJournal):
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._assuring: set[asyncio.Future[None]] = set()

    def publish(self, session_id: str, entries: Sequence[Entry]) -> bool:
        subject, has_room = session_journal(session_id), True
        try:
            if len(entries) == 1:
                return self._journal.append(subject, [entries[0].line()])
            for lines in _messages(entries):
                has_room = self._journal.append(subject, lines)
        except UnavailableError as exc:
            # Viewers see the missing numbers and attach again: the store has them.
            logger.warning("entries were not told: %s", exc.detail)
        return has_room

    async def room(self) -> None:
        await self._journal.room()

    def assure(self, session_id: str, entries: Sequence[Entry]) -> None:
        assuring = asyncio.ensure_future(
            self._assure(session_id, entries, self._journal.interruptions)
        )
        self._assuring.add(assuring)
        assuring.add_done_callback(self._assuring.discard)

    async def _assure(self, session_id: str, entries: Sequence[Entry], lost: int) -> None:
        for _ in range(_TRIES):
            try:
                await self._journal.flush()
            except UnavailableError:
                await asyncio.sleep(_PAUSE_S)
                continue
            if self._journal.interruptions == lost:
                return
            lost = self._journal.interruptions
            self.publish(session_id, entries)

    async def forget(self, session_id: str) -> None:
        await self._journal.forget(session_journal(session_id))

    async def captured(self, session_id: str, after: int, since: datetime) -> list[Entry]:
        found: dict[int, Entry] = {}
        async for line in self._journal.captured(session_journal(session_id), since=since):
            entry = entry_from_line(line)
            if entry.seq > after:
                found.setdefault(entry.seq, entry)
        return _without_gap(found, after)


def _messages(entries: Sequence[Entry]) -> list[list[bytes]]:
    """Lines that fit into a message; mostly all of them."""
    messages: list[list[bytes]] = [[]]
    size = 0
    for line in (entry.line() for entry in entries):
        if messages[-1] and size + len(line) > _MESSAGE_BYTES:
            messages.append([])
            size = 0
        messages[-1].append(line)
        size += len(line) + 1
    return messages


def _without_gap(found: dict[int, Entry], after: int) -> list[Entry]:
    entries: list[Entry] = []
    while (number := after + len(entries) + 1) in found:
        entries.append(found[number])
    return entries
