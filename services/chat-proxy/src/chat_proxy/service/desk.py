"""The approvals of one running turn: asked, decided by a person, delivered at most once.

The agent answers its requests strictly in the order it asked, so only the oldest is ever
delivered. An approval whose delivery is uncertain blocks the ones after it until its command has
ended or the agent has given up waiting: an answer sent earlier could meet the wrong command.

A delivery is a task of its own: whoever asked for it may go, and the upkeep of the turn does not
wait for an agent that does not answer.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from common.contracts import events
from common.contracts.chat import ApprovalChoice, ApprovalState
from common.contracts.events import OutgoingEvent
from common.errors import StaleFenceError, UnavailableError
from common.ids import new_id

from chat_proxy.errors import AgentLostError, AgentRefusedError
from chat_proxy.model.agent import ApprovalAsk
from chat_proxy.model.approval import COMMAND_CHARS, Approval, granted, rules_of
from chat_proxy.model.journal import Answer
from chat_proxy.ports import AgentSession
from chat_proxy.service.outside import Outside
from chat_proxy.service.persisting import persist
from chat_proxy.service.running import RunningTurn
from chat_proxy.service.writer import JournalWriter

logger = logging.getLogger(__name__)

_ASKED, _RESOLVED = "approval.requested", "approval.resolved"
_EXPIRED = "Nobody answered in time, so the command was refused."
_ALLOWED = "Allowed by an earlier answer."
_TOO_LONG = "The command is too long to be shown, so it was refused."
_NOT_WAITING = "The agent no longer waited for this answer."
_UNSEEN = (
    "While the connection was lost the agent asked whether it may run a command. Nobody saw the "
    "request, so it was refused: ask the agent to try again."
)
_MOST_UNSEEN = 16
_WAIT_S = 5.0
_LEAVE_S = 2.0
_UNCERTAIN = (
    "The connection broke while the answer was on its way: nobody knows whether it arrived."
)


class ApprovalDesk:
    def __init__(
        self,
        running: RunningTurn,
        writer: JournalWriter,
        outside: Outside,
        agent_now: Callable[[], AgentSession | None],
    ) -> None:
        self._running = running
        self._turn = running.turn
        self._writer = writer
        self._outside = outside
        self._agent_now = agent_now
        self._queue: list[Approval] = []
        self._uncertain: Approval | None = None
        self._delivering = asyncio.Lock()
        self._deliveries: set[asyncio.Future[None]] = set()
        self._on_its_way: Approval | None = None

    @property
    def is_waiting(self) -> bool:
        return bool(self._queue)

    async def restore(self) -> None:
        """Take over what another process left: what it was delivering is uncertain now, what it
        stored and did not tell any more is told.
        """
        asked, resolved = (_ids(self._writer.answer, type_) for type_ in (_ASKED, _RESOLVED))
        for approval in await persist(lambda: self._outside.approvals.of_turn(self._turn.id)):
            if approval.id not in asked:
                self._tell_asked(approval)
            if approval.state is ApprovalState.DELIVERING:
                self._uncertain = approval
                await self._end(approval.unknown(_UNCERTAIN), expected=approval)
            elif not approval.is_ended:
                self._queue.append(approval)
            elif approval.id not in resolved:
                self._tell_resolved(approval)

    async def attached(self, agent: AgentSession) -> None:
        """The agent is listened to again. What it asked meanwhile it does not ask again, and would
        wait for; a refusal lets it go on, and can allow nothing.
        """
        for _ in range(_MOST_UNSEEN):
            if self._queue or self._uncertain is not None or not await agent.answer(allow=False):
                break
            self._writer.add("notice", text=_UNSEEN, code="approval_missed")
        self._writer.publish(self._outside.clock())
        await self.deliver()

    async def ask(self, asked: ApprovalAsk, call_id: str | None) -> None:
        """Store and show the request; answer it at once where nobody has to be asked."""
        approval = await self._without_asking(self._approval_of(asked, call_id))
        event = self._event(events.APPROVAL_REQUESTED, approval)
        await persist(lambda: self._outside.approvals.ask(approval, emit=event))
        self._queue.append(approval)
        self._tell_asked(approval)
        if approval.is_decided:
            await self.deliver()

    async def _without_asking(self, approval: Approval) -> Approval:
        """Decided by an earlier answer that covers it, or by its size: nobody allows what cannot
        be shown.
        """
        now = self._outside.clock()
        if len(approval.command) > COMMAND_CHARS:
            shown = replace(approval, command=approval.command[:COMMAND_CHARS], detail=_TOO_LONG)
            return shown.decided(ApprovalChoice.DENY, at=now)
        earlier = await persist(
            lambda: self._outside.approvals.with_scope(
                approval.owner_id, approval.session_id, approval.skill_digest
            )
        )
        scope = granted(approval, earlier)
        if scope is None:
            return approval
        return replace(approval.decided(scope, at=now), detail=_ALLOWED)

    async def decided(self, approval: Approval) -> Approval:
        """A person decided: deliver if it is this one's turn; the approval as it stands then."""
        self._queue = [approval if one.id == approval.id else one for one in self._queue]
        await self.deliver()
        return await self._outside.approvals.get(
            approval.owner_id, approval.session_id, approval.id
        )

    async def tick(self) -> None:
        """Expire what is overdue, and deliver what was decided while nobody could tell us."""
        now = self._outside.clock()
        if self._uncertain is not None and now >= self._gives_up(self._uncertain):
            self._uncertain = None
        for approval in [one for one in self._queue if one.is_open]:
            current = await self._outside.approvals.get(
                approval.owner_id, approval.session_id, approval.id
            )
            if not current.is_decided and now >= current.expires_at:
                current = await self._expire(current, _EXPIRED)
            self._queue = [current if one.id == current.id else one for one in self._queue]
        if self._queue:
            await self.deliver()

    async def tool_ended(self, call_id: str) -> None:
        if self._uncertain is not None and self._uncertain.call_id == call_id:
            self._uncertain = None
            await self.deliver()

    async def deliver(self) -> None:
        """Tell the agent what was decided, from the oldest on; waits for it some seconds."""
        task = asyncio.ensure_future(self._deliver())
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)
        done, _ = await asyncio.wait({task}, timeout=_WAIT_S)
        for one in done:
            one.result()

    async def leave(self) -> None:
        """Let what is on its way arrive; what does not is uncertain for whoever comes next."""
        if self._deliveries:
            await asyncio.wait(self._deliveries, timeout=_LEAVE_S)
        late = list(self._deliveries)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _deliver(self) -> None:
        async with self._delivering:
            while self._queue and self._uncertain is None and self._may_send():
                agent = self._agent_now()
                head = self._queue[0]
                if agent is None or (head.is_open and not head.is_decided):
                    return
                try:
                    await self._deliver_to(agent, head)
                except UnavailableError as exc:
                    # Nothing was sent yet; the next tick tries again.
                    logger.warning("an approval is not delivered yet: %s", exc.detail)
                    return

    async def close(self, reason: str) -> None:
        """The turn is over: nobody waits for these answers any more. What is on its way is told
        before the end.
        """
        await self.leave()
        cut, self._on_its_way = self._on_its_way, None
        if cut is not None:
            await self._cut(cut)
        for approval in self._queue:
            last = approval
            # One that was decided at this moment is another one in the store: nobody waits for it.
            while last.is_open:
                last = await self._expire(last, reason)
        self._queue = []

    async def _deliver_to(self, agent: AgentSession, head: Approval) -> None:
        if not head.is_ended:
            delivering = await self._to_deliver(head)
            self._queue.pop(0)
            self._on_its_way = delivering
            ended = await self._answer(agent, delivering)
            await self._end(ended, expected=delivering)
            self._on_its_way = None
        else:
            self._queue.pop(0)
            await self._refuse(agent)
        self._writer.publish(self._outside.clock())

    async def _cut(self, delivering: Approval) -> None:
        """A delivery that did not end in time; its end may have been stored all the same."""
        try:
            await self._end(delivering.unknown(_UNCERTAIN), expected=delivering)
        except StaleFenceError:
            stored = await self._outside.approvals.get(
                delivering.owner_id, delivering.session_id, delivering.id
            )
            self._tell_resolved(stored)

    async def _to_deliver(self, head: Approval) -> Approval:
        """Stored as on its way. One that is so already is our own write, whose answer was lost
        before anything was sent: another process' would be uncertain and not in the queue.
        """
        if not head.is_open:
            return head
        delivering = head.delivering()
        await self._outside.approvals.save(delivering, expected=head)
        return delivering

    def _may_send(self) -> bool:
        """Once the claim has run out another process may be answering."""
        return self._running.turn.claim.covers(self._outside.clock())

    async def _answer(self, agent: AgentSession, delivering: Approval) -> Approval:
        try:
            taken = await agent.answer(allow=delivering.choice is not ApprovalChoice.DENY)
        except AgentRefusedError as exc:
            return delivering.refused(exc.detail)
        except AgentLostError:
            self._uncertain = delivering
            return delivering.unknown(_UNCERTAIN)
        return delivering.delivered() if taken else delivering.refused(_NOT_WAITING)

    async def _refuse(self, agent: AgentSession) -> None:
        """Let the agent go on after an approval that expired here."""
        try:
            await agent.answer(allow=False)
        except (AgentRefusedError, AgentLostError) as exc:
            logger.info("the agent did not take a refusal: %s", exc.detail)

    async def _expire(self, approval: Approval, reason: str) -> Approval:
        expired = approval.expired(reason)
        try:
            await self._end(expired, expected=approval)
        except StaleFenceError:
            return await self._outside.approvals.get(
                approval.owner_id, approval.session_id, approval.id
            )
        return expired

    async def _end(self, ended: Approval, *, expected: Approval) -> None:
        event = self._event(events.APPROVAL_RESOLVED, ended)
        await persist(lambda: self._outside.approvals.save(ended, expected=expected, emit=event))
        self._tell_resolved(ended)

    def _tell_asked(self, approval: Approval) -> None:
        self._writer.add(
            _ASKED,
            approval_id=approval.id,
            command=approval.command,
            description=approval.description,
            choices=[str(choice) for choice in approval.choices],
            expires_at=approval.expires_at.isoformat(),
        )

    def _tell_resolved(self, ended: Approval) -> None:
        self._writer.add(
            _RESOLVED,
            approval_id=ended.id,
            choice=ended.choice,
            state=str(ended.state),
            detail=ended.detail,
        )

    def _approval_of(self, asked: ApprovalAsk, call_id: str | None) -> Approval:
        now = self._outside.clock()
        known = {str(choice): choice for choice in ApprovalChoice}
        return Approval(
            id=new_id("apr"),
            session_id=self._turn.session_id,
            turn_id=self._turn.id,
            owner_id=self._turn.owner_id,
            skill_digest=self._running.session.skill.digest,
            command=asked.command,
            rules=rules_of(asked.rules, asked.command),
            choices=tuple(known[choice] for choice in asked.choices if choice in known),
            asked_at=now,
            expires_at=now + self._outside.limits.approval,
            description=asked.description,
            call_id=call_id,
        )

    def _gives_up(self, approval: Approval) -> datetime:
        return approval.asked_at + self._outside.limits.agent_approval

    def _event(
        self, event: events.Event[events.ApprovalChanged], approval: Approval
    ) -> OutgoingEvent:
        data = events.ApprovalChanged(
            owner_id=approval.owner_id,
            session_id=approval.session_id,
            turn_id=approval.turn_id,
            approval_id=approval.id,
            state=approval.state,
            choice=approval.choice,
        )
        return event.of(data, entity_id=approval.id, at=self._outside.clock())


def _ids(answer: Answer, type_: str) -> set[str]:
    """Of the approvals that the journal tells of by entries of this type."""
    return {one.fields["approval_id"] for one in answer.segments if one.type == type_}
