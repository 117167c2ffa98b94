"""Runs one turn under its claim: from the stored message to `turn.ended`.

A turn that another process began is run the same way: what stands in the store and in the stream
is read first, a prompt that was on its way is never sent again, and the agent's own record fills
the gap. Two tasks per turn: the work, and the upkeep that renews the claim and the use-lease,
stores what was written, and watches the limits.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta

from common.contracts.sandbox import USE_RENEWAL
from common.errors import (
    AppError,
    ErrorCode,
    ForbiddenError,
    StaleFenceError,
    UnavailableError,
)
from common.telemetry.tracing import context_of, span, untraced

from chat_proxy.model.approval import Approval
from chat_proxy.model.session import ChatSession
from chat_proxy.model.turn import CLAIM_RENEWAL, Turn
from chat_proxy.service.beginning import begin
from chat_proxy.service.conversation import Conversation
from chat_proxy.service.ending import end
from chat_proxy.service.link import AgentLink
from chat_proxy.service.outcome import STOPPED, Outcome, failed, outcome_of_error
from chat_proxy.service.outside import Outside
from chat_proxy.service.running import RunningTurn
from chat_proxy.service.writer import JournalWriter

logger = logging.getLogger(__name__)

_SILENT = "The agent said nothing for too long."
_DELETED = "The session was deleted."
_FOLD_SPREAD = (1.0, 1.5)
"""Times `fold`, a number for each turn: many that began together do not all meet in the store."""


class TurnRunner:
    """`begun` is set when the session names the turn as running, `done` when all is stored."""

    def __init__(self, turn: Turn, session: ChatSession, outside: Outside) -> None:
        self.begun = asyncio.Event()
        self.done = asyncio.Event()
        self._outside = outside
        self._running = RunningTurn(turn, session, heard_at=outside.clock())
        self._link = AgentLink(self._running, outside)
        self._conversation: Conversation | None = None
        self._talking: asyncio.Future[Outcome] | None = None
        self._cut: Outcome | None = None
        self._renewed_at = self._prolonged_at = outside.clock()
        self._is_touched = False
        self._fold = outside.limits.fold * random.uniform(*_FOLD_SPREAD)
        self._prolonging: asyncio.Task[None] | None = None

    @property
    def turn(self) -> Turn:
        return self._running.turn

    @property
    def session(self) -> ChatSession:
        return self._running.session

    def borrow(self) -> None:
        """Fetch the sandbox, also before the turn is run."""
        self._link.borrow()

    def found(self, session: ChatSession) -> Turn:
        """The turn as it is to be stored, with the session as it was found."""
        self._running.session = session
        self._running.turn = self.turn.begun_in(session.agent_session)
        return self.turn

    async def drop(self) -> None:
        """For a turn that is not run after all."""
        await self._link.drop()

    async def run(self) -> None:
        """Run to the end, or until another process has the turn."""
        turn = self.turn
        trace = context_of(turn.traceparent)
        with span("turn", parent=trace, turn_id=turn.id, claim=turn.claim.fence):
            await self._run()

    async def _run(self) -> None:
        with untraced():
            upkeep = asyncio.ensure_future(self._keep_up())
        tasks = [upkeep, asyncio.ensure_future(self._work())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except StaleFenceError as exc:
            logger.warning("turn given up: %s", exc.detail, extra={"turn_id": self.turn.id})
        finally:
            if self._prolonging is not None:
                tasks.append(self._prolonging)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._leave()
            self.begun.set()
            self.done.set()

    async def stop(self) -> None:
        """A person asked to stop: interrupt, and do not wait for an agent that does not end."""
        await self._cut_short(STOPPED)

    @property
    def last_seq(self) -> int | None:
        """The number of the last entry written; None before the first."""
        return self._conversation.writer.last_seq if self._conversation else None

    @property
    def lag(self) -> timedelta:
        """Age of the oldest entry that the store does not have."""
        return self._conversation.writer.lag if self._conversation else timedelta(0)

    async def store(self) -> None:
        """Fold what was written so far into the store."""
        if self._conversation is not None:
            await self._conversation.writer.store()

    async def approval_decided(self, approval: Approval) -> Approval:
        if self._conversation is None:
            return approval
        return await self._conversation.desk.decided(approval)

    async def _work(self) -> None:
        resumed = self.turn.claim.fence > 1
        prompted = resumed and self.turn.agent_session is not None
        writer, known = await begin(self._running, self._outside, resumed=resumed)
        self._conversation = Conversation(self._running, self._link, writer, self._outside)
        self.begun.set()
        outcome: Outcome | None
        if not known:
            outcome = _GONE
        elif writer.answer.is_ended:
            outcome = None
        else:
            talk = self._conversation.resume() if prompted else self._conversation.run()
            outcome = await self._talk(talk)
        await end(self._running, self._conversation, self._outside, outcome)

    async def _talk(self, talk: Awaitable[Outcome]) -> Outcome:
        """The conversation's outcome, or why it was cut short."""
        self._talking = asyncio.ensure_future(talk)
        if self._cut is not None:
            self._talking.cancel()
        try:
            outcome = await self._talking
        except asyncio.CancelledError:
            if self._cut is None:
                self._talking.cancel()
                raise
            return self._cut
        except StaleFenceError:
            raise
        except AppError as exc:
            return self._cut or outcome_of_error(exc)
        except Exception:
            logger.exception("a turn failed", extra={"turn_id": self.turn.id})
            return failed(ErrorCode.INTERNAL, "Something went wrong on our side.")
        return self._cut or outcome

    async def _cut_short(self, outcome: Outcome) -> None:
        if self._cut is not None:
            return
        self._cut = outcome
        asked = self._conversation is not None and await self._conversation.interrupt()
        grace = self._outside.limits.stop_grace.total_seconds() if asked else 0.0
        asyncio.get_running_loop().call_later(grace, self._give_up)

    def _give_up(self) -> None:
        if self._talking is not None:
            self._talking.cancel()

    async def _keep_up(self) -> None:
        """A store that does not answer is asked again at the next tick."""
        while True:
            await asyncio.sleep(self._outside.limits.upkeep.total_seconds())
            try:
                await self.tick()
            except UnavailableError as exc:
                logger.warning("upkeep of a turn: %s", exc.detail)

    async def tick(self) -> None:
        """One turn of the upkeep."""
        if self._outside.clock() - self._renewed_at >= CLAIM_RENEWAL:
            await self._renew()
        if self._outside.clock() - self._prolonged_at >= USE_RENEWAL:
            self._start_prolonging()
        conversation = self._conversation
        if conversation is None or self.done.is_set():
            return
        await self._write_down(conversation.writer)
        if self._talking is not None and not self._talking.done():
            await conversation.desk.tick()
            reason = STOPPED if self.turn.stop_requested else self._beyond_limits(conversation)
            if reason is not None:
                await self._cut_short(reason)
        if not self._is_touched:
            await self._outside.sessions.touch(self.turn.session_id, self.turn.created_at)
            self._is_touched = True

    async def _write_down(self, writer: JournalWriter) -> None:
        # Viewers hear of the end when it is stored: what they read then is the whole answer.
        if writer.answer.is_ended:
            await writer.store()
        writer.publish(self._outside.clock())
        if writer.lag >= self._fold:
            await writer.store()

    async def _renew(self) -> None:
        try:
            stored = await self._outside.turns.renew(self.turn, self._outside.clock())
        except StaleFenceError:
            if self._conversation is not None and self._conversation.writer.answer.is_ended:
                # Its end may be stored just now; the work finds out if another process did it.
                return
            raise
        self._running.turn = replace(
            self.turn, claim=stored.claim, stop_requested=stored.stop_requested
        )
        self._renewed_at = self._outside.clock()

    def _start_prolonging(self) -> None:
        """Nobody waits for it: the claim is renewed however long sandbox-manager takes."""
        if self._prolonging is None or self._prolonging.done():
            self._prolonged_at = self._outside.clock()
            self._prolonging = asyncio.ensure_future(self._prolong())

    async def _prolong(self) -> None:
        try:
            await self._link.renew()
        except ForbiddenError as exc:
            # The operator blocked the skill: its answer ends too.
            await self._cut_short(failed(exc.code, exc.detail))
        except AppError as exc:
            logger.warning("the use-lease was not prolonged: %s", exc.detail)

    def _beyond_limits(self, conversation: Conversation) -> Outcome | None:
        limits = self._outside.limits
        silent_for = self._outside.clock() - self._running.heard_at
        if silent_for > limits.silence and not conversation.desk.is_waiting:
            return failed(ErrorCode.AGENT_LOST, _SILENT)
        return None

    async def _leave(self) -> None:
        """Hand the turn over if it has not ended: whoever claims it next need not wait."""
        if self._conversation is not None:
            await self._conversation.desk.leave()
        if not self.turn.is_ended:
            with contextlib.suppress(AppError):
                await self.store()
                await self._outside.turns.give_back(self.turn, self._outside.clock())
        with contextlib.suppress(AppError):
            await self._link.leave(ended=self.turn.is_ended)


_GONE = failed(ErrorCode.SESSION_NOT_FOUND, _DELETED)
