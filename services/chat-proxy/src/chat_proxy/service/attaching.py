"""Use case: give a viewer everything after a number.

Whoever runs the session's turn answers, from the store, after storing what it holds: a viewer who
subscribed before sees every number. If nobody runs it at this moment, the store and what the
stream captured after it answer together.
"""

from collections.abc import AsyncIterator

from common.contracts.chat import Attach, Attached
from common.errors import UnavailableError

from chat_proxy.model.journal import Entry
from chat_proxy.model.turn import Turn
from chat_proxy.service.outside import Outside
from chat_proxy.service.runners import Runners
from chat_proxy.service.wire import to_entry

_PAGE_BYTES = 400_000


class AttachService:
    def __init__(self, outside: Outside, runners: Runners) -> None:
        self._outside = outside
        self._runners = runners

    async def attach(self, request: Attach) -> Attached:
        if self._has_all(request):
            return _nothing_after(request)
        await self._outside.sessions.get(request.owner_id, request.session_id)
        turn = await self._outside.turns.active(request.session_id)
        if turn is None or self._runners.runs(turn.id):
            return await self._told_here(request)
        try:
            return await self._outside.replicas.attach(turn.claim.holder, request)
        except UnavailableError:
            return await self._page(request, self._left_by(request, turn))

    async def attach_here(self, request: Attach) -> Attached:
        """The part of `attach` for the process that runs the turn."""
        if self._has_all(request):
            return _nothing_after(request)
        await self._outside.sessions.get(request.owner_id, request.session_id)
        return await self._told_here(request)

    def _has_all(self, request: Attach) -> bool:
        """Whether the turn runs here and has written nothing more: so it is nearly always with a
        viewer who looks because it is silent.
        """
        runner = self._runners.of(request.session_id)
        if runner is None or runner.turn.owner_id != request.owner_id or runner.last_seq is None:
            return False
        holds = runner.turn.claim.covers(self._outside.clock())
        return holds and request.after >= runner.last_seq

    async def _told_here(self, request: Attach) -> Attached:
        runner = self._runners.of(request.session_id)
        if runner is not None:
            await runner.store()
        return await self._page(request, self._stored(request))

    async def _page(self, request: Attach, entries: AsyncIterator[Entry]) -> Attached:
        page: list[Entry] = []
        left = _PAGE_BYTES
        more = False
        async for entry in entries:
            left -= len(entry.line())
            if left < 0 and page:
                more = True
                break
            page.append(entry)
        last_seq = page[-1].seq if page else request.after
        return Attached(entries=[to_entry(one) for one in page], last_seq=last_seq, more=more)

    async def _stored(self, request: Attach) -> AsyncIterator[Entry]:
        async for answer in self._outside.answers.after(request.session_id, request.after):
            for entry in answer.after(request.after):
                yield entry

    async def _left_by(self, request: Attach, turn: Turn) -> AsyncIterator[Entry]:
        """The store, then the tail that its holder published and did not store."""
        last = request.after
        async for entry in self._stored(request):
            last = entry.seq
            yield entry
        for entry in await self._outside.live.captured(request.session_id, last, turn.created_at):
            yield entry


def _nothing_after(request: Attach) -> Attached:
    return Attached(entries=[], last_seq=request.after, more=False)
