"""Use cases of turns: start one, look at one, stop one."""

import asyncio

from common.contracts import events
from common.contracts.chat import StartTurn, TurnRequest, TurnState
from common.contracts.chat import Turn as WireTurn
from common.errors import (
    ConflictError,
    ErrorCode,
    RateLimitedError,
    UnavailableError,
)
from common.ids import new_id
from common.telemetry.tracing import current_trace

from chat_proxy.model.session import ChatSession
from chat_proxy.model.turn import CLAIM_TTL, Claim, Turn, checked_attachments
from chat_proxy.service.closing import Closing
from chat_proxy.service.outside import Outside
from chat_proxy.service.runner import TurnRunner
from chat_proxy.service.runners import Runners
from chat_proxy.service.spending import Spending
from chat_proxy.service.wire import to_turn


class TurnService:
    def __init__(
        self, outside: Outside, runners: Runners, spending: Spending, closing: Closing
    ) -> None:
        self._outside = outside
        self._runners = runners
        self._spending = spending
        self._closing = closing

    async def start(self, request: StartTurn) -> WireTurn:
        """Store the message and begin to run it. The same key gives the turn it made before."""
        attachments = checked_attachments(request.attachments)
        finding = asyncio.ensure_future(
            self._outside.sessions.get(request.owner_id, request.session_id)
        )
        # Where and with what its turns run does not change: one that ran here is not waited for.
        session = self._runners.known(request.owner_id, request.session_id) or await finding
        runner = self._runners.prepare(self._new(session, request.text, attachments), session)
        try:
            stored = await self._let_in(runner, finding, request)
        except BaseException:
            self._runners.drop(runner)
            raise
        if stored.id != runner.turn.id:
            self._runners.drop(runner)
            return to_turn(_same_request(stored, request))
        self._runners.run(runner)
        await runner.begun.wait()
        return to_turn(runner.turn)

    async def get(self, owner_id: str, session_id: str, turn_id: str) -> WireTurn:
        """One that is just closing is waited for: whoever saw its end finds it ended."""
        deadline = self._closing.deadline()
        while True:
            turn, usage = await asyncio.gather(
                self._outside.turns.get(owner_id, session_id, turn_id),
                self._outside.usage.of_turn(turn_id),
            )
            if turn.is_ended or not await self._closing.waited(turn, deadline):
                return to_turn(turn, usage.spent)

    async def stop(self, request: TurnRequest) -> WireTurn:
        """Ask the turn to stop, wherever it runs; one that has ended stays as it is."""
        turn = await self._outside.turns.get(request.owner_id, request.session_id, request.turn_id)
        if turn.is_ended:
            return to_turn(turn)
        await self._outside.turns.request_stop(turn)
        if self._runners.runs(turn.id):
            return await self.stop_here(request)
        try:
            return await self._outside.replicas.stop(turn.claim.holder, request)
        except UnavailableError:
            return to_turn(turn)

    async def stop_here(self, request: TurnRequest) -> WireTurn:
        """The part of `stop` for the process that runs the turn."""
        runner = self._runners.of(request.session_id)
        if runner is not None and runner.turn.id == request.turn_id:
            await runner.stop()
        return await self.get(request.owner_id, request.session_id, request.turn_id)

    async def _let_in(
        self, runner: TurnRunner, finding: asyncio.Future[ChatSession], request: StartTurn
    ) -> Turn:
        """Stored, if no limit refuses it; or what the request's key made before."""
        session, refusal = await asyncio.gather(finding, self._refusal(request.owner_id))
        if refusal is not None:
            return await self._made_before(request, refusal)
        turn = runner.found(session)
        try:
            return await self._store(turn, request.idempotency_key)
        except (UnavailableError, asyncio.CancelledError):
            self._runners.adopt(turn, session)
            raise

    async def _refusal(self, owner_id: str) -> RateLimitedError | None:
        """Why the owner may not start another turn now."""
        most = self._outside.limits.turns_per_owner
        try:
            has_most, _ = await asyncio.gather(
                self._outside.turns.has_active(owner_id, most), self._spending.check(owner_id)
            )
        except RateLimitedError as exc:
            return exc
        return _too_many(most) if has_most else None

    async def _made_before(self, request: StartTurn, refusal: RateLimitedError) -> Turn:
        """A limit refuses no turn that it let pass before."""
        key = request.idempotency_key
        made = key and await self._outside.turns.with_key(request.session_id, key)
        if not made:
            raise refusal
        return made

    async def _store(self, turn: Turn, idempotency_key: str | None) -> Turn:
        """Store as the session's only running turn; one that is just closing is waited for."""
        data = events.TurnChanged(
            owner_id=turn.owner_id,
            session_id=turn.session_id,
            turn_id=turn.id,
            state=TurnState.PENDING,
        )
        event = events.TURN_STARTED.of(data, entity_id=turn.id, at=turn.created_at)
        deadline = self._closing.deadline()
        while True:
            stored = await self._outside.turns.start(
                turn, idempotency_key=idempotency_key, emit=event
            )
            if stored is not None:
                return stored
            other = await self._outside.turns.active(turn.session_id)
            if other is not None and not await self._closing.waited(other, deadline):
                detail = "this session is still answering"
                raise ConflictError(
                    detail,
                    code=ErrorCode.TURN_RUNNING,
                    extra={"turn_id": other.id},
                )

    def _new(self, session: ChatSession, text: str, attachments: tuple[str, ...]) -> Turn:
        now = self._outside.clock()
        return Turn(
            id=new_id("tur"),
            session_id=session.id,
            owner_id=session.owner_id,
            text=text,
            attachments=attachments,
            created_at=now,
            claim=Claim(self._outside.me, fence=1, until=now + CLAIM_TTL),
            skill_digest=session.skill.digest,
            traceparent=current_trace(),
        )


def _same_request(stored: Turn, request: StartTurn) -> Turn:
    if not stored.asks_the_same(request.text, request.attachments):
        detail = "this idempotency key was used for another message"
        raise ConflictError(detail, code=ErrorCode.IDEMPOTENCY_MISMATCH)
    return stored


def _too_many(limit: int) -> RateLimitedError:
    return RateLimitedError(
        f"{limit} chats are answering at once, which is the limit; try again when one has ended",
        code=ErrorCode.QUOTA_EXCEEDED,
        extra={"limit": "turns_per_owner", "value": limit},
    )
