"""The one writer of a session's journal: numbers entries, tells viewers, folds for the store.

What arrives together is written together: neighbouring pieces of text become one entry before they
get a number, and everything between two `publish()` is told at once. Text beyond what a turn may
hold is dropped.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from common.clock import Clock

from chat_proxy.model.journal import ENTRY_CHARS, Answer, Entry
from chat_proxy.ports import Answers, LiveJournal
from chat_proxy.service.running import RunningTurn


class JournalWriter:
    """Writes the entries of one turn, under its claim as it is now."""

    def __init__(
        self,
        answer: Answer,
        running: RunningTurn,
        *,
        last_seq: int,
        live: LiveJournal,
        answers: Answers,
        clock: Clock,
    ) -> None:
        self.answer = answer
        self._last_seq = last_seq
        self._running = running
        self._live = live
        self._answers = answers
        self._clock = clock
        self._open_type = ""
        self._open_text: list[str] = []
        self._open_chars = 0
        self._waiting: list[Entry] = []
        self._storing = asyncio.Lock()
        self._savings: set[asyncio.Future[None]] = set()
        self._unstored_since: datetime | None = None

    @property
    def last_seq(self) -> int:
        return self._last_seq

    @property
    def lag(self) -> timedelta:
        """Age of the oldest entry that the store does not have."""
        since = self._unstored_since
        return self._clock() - since if since is not None else timedelta(0)

    def text(self, text: str, *, type_: str = "text") -> None:
        """Add to the answer (or, by type, to the reasoning)."""
        if self._open_type != type_:
            if self._open_text:
                self._close_text()
            self._open_type = type_
        self._open_text.append(text)
        self._open_chars += len(text)
        if self._open_chars >= ENTRY_CHARS:
            self._close_text()

    def say(self, text: str, now: datetime) -> bool:
        """`text` and `publish`, for a piece that came alone: no other is waited for."""
        covered = self._running.turn.claim.covers(now)
        if self._open_text or not covered or len(text) > ENTRY_CHARS:
            self.text(text)
        else:
            self._number("text", {"text": text}, now)
        return self.publish(now)

    def add(self, type_: str, **fields: Any) -> None:
        self._close_text()
        self._number(type_, fields)

    def publish(self, now: datetime) -> bool:
        """Tell viewers what was written since the last time; False when that is more than goes
        out, and the agent should wait.

        Once the claim has run out another process may be writing, so everything waits until the
        claim was renewed.
        """
        turn = self._running.turn
        if not turn.claim.covers(now):
            return True
        if self._open_text:
            self._close_text(now)
        if not self._waiting:
            return True
        entries, self._waiting = self._waiting, []
        return self._live.publish(turn.session_id, entries)

    async def store(self) -> None:
        """Fold what is new into the store; one at a time, in order, also when the caller has gone:
        a write that was given up may still arrive, after the next one.
        """
        saving = asyncio.ensure_future(self._save())
        self._savings.add(saving)
        saving.add_done_callback(self._saved)
        await asyncio.shield(saving)

    async def _save(self) -> None:
        async with self._storing:
            if not self.answer.is_stored:
                since, self._unstored_since = self._unstored_since, None
                try:
                    await self._answers.save(self._running.turn, self.answer)
                except BaseException:
                    self._unstored_since = since
                    raise

    def _saved(self, saving: "asyncio.Future[None]") -> None:
        self._savings.discard(saving)
        if not saving.cancelled():
            # Whoever waits gets it, and nobody has to.
            saving.exception()

    def _close_text(self, now: datetime | None = None) -> None:
        pieces, type_ = self._open_text, self._open_type
        self._open_text, self._open_chars, self._open_type = [], 0, ""
        text = pieces[0] if len(pieces) == 1 else "".join(pieces)
        while text and not self.answer.is_full:
            self._number(type_, {"text": text[:ENTRY_CHARS]}, now)
            text = text[ENTRY_CHARS:]

    def _number(self, type_: str, fields: dict[str, Any], now: datetime | None = None) -> None:
        self._last_seq += 1
        entry = Entry(self._last_seq, now or self._clock(), self.answer.turn_id, type_, fields)
        self.answer.add(entry)
        if self._unstored_since is None:
            self._unstored_since = entry.at
        self._waiting.append(entry)
