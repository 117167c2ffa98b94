"""The talk with the agent during one turn: prompt it once, follow it to its end, and attach again
when the connection breaks.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import replace

from common.contracts.chat import TurnState
from common.errors import ErrorCode, UnavailableError
from common.metrics.table import CHUNK_DELAY, FIRST_TEXT
from common.telemetry.tracing import span
from opentelemetry.trace import SpanKind

from chat_proxy.errors import AgentLostError, AgentUnknownError
from chat_proxy.model.agent import AgentEvent, ApprovalAsk, Finished, ToolEnd
from chat_proxy.model.recovery import Caught, catch_up, is_ours, steps_after
from chat_proxy.ports import AgentSession, Listener
from chat_proxy.service.desk import ApprovalDesk
from chat_proxy.service.link import AgentLink
from chat_proxy.service.outcome import COMPLETED, Outcome, failed
from chat_proxy.service.outside import Outside
from chat_proxy.service.persisting import persist
from chat_proxy.service.running import RunningTurn
from chat_proxy.service.scribe import Scribe
from chat_proxy.service.writer import JournalWriter

logger = logging.getLogger(__name__)

_SLOW = frozenset({ApprovalAsk, ToolEnd, Finished})
"""What is not only written: the store or the agent is asked, or nothing follows."""

_MEASURED = 64
"""One read of the agent in so many is timed: that shows the delay as well, and costs a stream
nothing.
"""

_LOST = "The agent ended before its answer was complete; what it had said is kept."
_TOO_LONG = failed(
    ErrorCode.AGENT_ERROR, "The answer grew beyond what one turn may hold; what fits is kept."
)
_REATTACHED = (
    "The connection to the agent was lost for a moment. Its text and tools were put back; "
    "reasoning from in between may be missing."
)
_BEGAN_ELSEWHERE = "This conversation began elsewhere; the agent was told {count} of its messages."
_REPLAYED = "The agent's own memory of this chat was gone; it was told the last messages again."


class Conversation(Listener):
    """Runs a turn's exchange; what it writes goes through `scribe`, approvals through `desk`."""

    def __init__(
        self, running: RunningTurn, link: AgentLink, writer: JournalWriter, outside: Outside
    ) -> None:
        self._running = running
        self._link = link
        self._outside = outside
        self._heard: Sequence[AgentEvent] = ()
        self._reads = 0
        self.writer = writer
        self.scribe = Scribe(writer, running.session.skill)
        self.desk = ApprovalDesk(running, writer, outside, lambda: link.agent)

    async def run(self) -> Outcome:
        """A turn from its start."""
        agent = await self._link.reach()
        self.scribe.reached(self._link.skill_directory)
        with span("hermes turn", kind=SpanKind.CLIENT):
            return await self._converse(agent)

    async def resume(self) -> Outcome:
        """A turn that another process prompted."""
        await self.desk.restore()
        with span("hermes turn", kind=SpanKind.CLIENT, resumed=True):
            return await self._follow(await self._attach())

    async def _converse(self, agent: AgentSession) -> Outcome:
        try:
            await self._prompt(agent)
        except AgentLostError as exc:
            logger.warning("the prompt may not have arrived: %s", exc.detail)
            return await self._follow(await self._attach())
        return await self._follow(agent)

    async def interrupt(self) -> bool:
        """Ask the agent to stop; False when there is none to ask."""
        agent = self._link.agent
        if agent is None or self._running.turn.state is not TurnState.RUNNING:
            return False
        try:
            await agent.interrupt()
        except UnavailableError as exc:
            logger.info("the agent did not take the interrupt: %s", exc.detail)
            return False
        return True

    async def _prompt(self, agent: AgentSession) -> None:
        """Send the prompt; which conversation it goes to is stored before."""
        prompt = await self._link.prompt(first=agent.is_fresh)
        if agent.name != self._running.turn.agent_session:
            await self._keep_name(agent.name)
        for text in self._link.notices:
            self.scribe.note(text, "sandbox")
        if self._link.told:
            self.scribe.note(_BEGAN_ELSEWHERE.format(count=self._link.told), "history_given")
        if self._link.replayed:
            self.scribe.note(_REPLAYED, "history_replayed")
        await agent.submit(prompt, images=self._link.images)
        self._running.heard_at = self._outside.clock()

    async def _keep_name(self, name: str) -> None:
        running = self._running
        turn = running.turn.running(agent_session=name)
        await asyncio.gather(
            persist(lambda: self._outside.turns.save(turn)),
            persist(lambda: self._outside.sessions.keep_agent_session(running.session.id, name)),
        )
        running.turn = replace(
            turn, claim=running.turn.claim, stop_requested=running.turn.stop_requested
        )
        running.session = replace(running.session, agent_session=name)

    async def _follow(self, agent: AgentSession | Outcome) -> Outcome:
        """To the end, through broken connections."""
        while self.scribe.finished is None:
            if isinstance(agent, Outcome):
                return agent
            if self.writer.answer.is_full:
                return await self._cut()
            try:
                await agent.listen(self)
            except AgentLostError as exc:
                logger.warning("the agent's connection broke: %s", exc.detail)
                agent = await self._attach()
                continue
            await self._take()
        return self.scribe.outcome(self.scribe.finished)

    def on_text(self, text: str) -> bool:
        """What `on_events` does, in fewer steps."""
        answer = self.writer.answer
        if self._reads % _MEASURED == 0 or not self.scribe.answered or answer.is_full:
            return super().on_text(text)
        self._reads += 1
        now = self._running.heard_at = self._outside.clock()
        return self.scribe.say(text, now) and not answer.is_full

    def on_events(self, events: Sequence[AgentEvent]) -> bool:
        """Write and tell at once what came. False where something has to be waited for: what has
        to wait is kept for `_take`.
        """
        scribe, answered = self.scribe, self.scribe.answered
        began = time.perf_counter() if self._reads % _MEASURED == 0 else None
        self._reads += 1
        for number, event in enumerate(events):
            if type(event) in _SLOW or self.writer.answer.is_full:
                self._heard = events[number:]
                break
            scribe.write(event)
        has_room = self._tell(answered=answered)
        if began is not None:
            CHUNK_DELAY.record(time.perf_counter() - began)
        return has_room and not self._heard and not self.writer.answer.is_full

    async def _take(self) -> None:
        """Write and tell what was kept, when the bus has room."""
        await self._outside.live.room()
        answered = self.scribe.answered
        events, self._heard = self._heard, ()
        for event in events:
            await self._write(event)
            if self.writer.answer.is_full:
                break
        self._tell(answered=answered)

    def _tell(self, *, answered: bool) -> bool:
        """Publish; False when that is more than goes out."""
        now = self._running.heard_at = self._outside.clock()
        has_room = self.writer.publish(now)
        if self.scribe.answered and not answered:
            FIRST_TEXT.record((now - self._running.turn.created_at).total_seconds())
        return has_room

    async def _cut(self) -> Outcome:
        """What an agent says without end is read no further."""
        await self.interrupt()
        return _TOO_LONG

    async def _write(self, event: AgentEvent) -> None:
        if isinstance(event, ApprovalAsk):
            waiting_call = next(reversed(self.scribe.open_tools), None)
            await self.desk.ask(event, waiting_call)
            return
        self.scribe.write(event)
        if isinstance(event, ToolEnd):
            await self.desk.tool_ended(event.call_id)

    async def _attach(self) -> AgentSession | Outcome:
        """To the conversation as it is now, with what was missed written; or how it ended."""
        limits = self._outside.limits
        deadline = self._outside.clock() + limits.reattach
        while True:
            try:
                agent = await self._link.reach_again()
                self.scribe.reached(self._link.skill_directory)
                outcome = await self._catch_up(agent)
                if outcome is None:
                    await self.desk.attached(agent)
            except AgentUnknownError:
                return failed(ErrorCode.AGENT_LOST, _LOST)
            except UnavailableError as exc:
                if self._outside.clock() >= deadline:
                    raise AgentLostError(_LOST) from exc
            else:
                return agent if outcome is None else outcome
            await asyncio.sleep(limits.reattach_wait.total_seconds())

    async def _catch_up(self, agent: AgentSession) -> Outcome | None:
        """Write what is missing; the outcome if the agent has ended meanwhile."""
        prompt, standing = self._running.turn.prompt, agent.standing
        running = standing.running and is_ours(prompt, standing.prompt)
        messages = await agent.transcript()
        same = await persist(lambda: self._outside.turns.count_same(self._running.turn))
        steps = steps_after(prompt, messages, before=same)
        if steps is None and not running:
            if self.writer.answer.streamed or self.scribe.known_tools:
                return failed(ErrorCode.AGENT_LOST, _LOST)
            first = not any(message.role == "user" for message in messages)
            await agent.submit(await self._link.prompt(first=first), images=self._link.images)
            return None
        self._restate(
            catch_up(
                self.writer.answer.streamed,
                self.scribe.known_tools,
                self.scribe.ended_tools,
                steps or [],
                replace(standing, running=running),
            )
        )
        self.scribe.note(_REATTACHED, "reattached")
        self.writer.publish(self._outside.clock())
        if running:
            return None
        answered = bool(steps) and steps is not None and steps[-1].finish == "stop"
        return COMPLETED if answered else failed(ErrorCode.AGENT_LOST, _LOST)

    def _restate(self, caught: Caught) -> None:
        for event in caught.events:
            if self.writer.answer.is_full:
                return
            if isinstance(event, ToolEnd):
                self.scribe.tool_end(event, recovered=True)
            else:
                self.scribe.write(event)
        if caught.restated is not None:
            self.scribe.restate(caught.restated)
