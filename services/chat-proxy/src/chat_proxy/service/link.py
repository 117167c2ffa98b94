"""The way to the agent for one turn: the use-lease on its sandbox, and the open conversation."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from common.errors import AppError, GoneError

from chat_proxy.errors import AgentLostError, AgentUnknownError
from chat_proxy.model.agent import AgentAddress, TranscriptMessage
from chat_proxy.model.session import ChatSession
from chat_proxy.model.skill import first_prompt
from chat_proxy.ports import AgentSession
from chat_proxy.service.history import earlier_history, recent_history
from chat_proxy.service.outside import Outside
from chat_proxy.service.running import RunningTurn

logger = logging.getLogger(__name__)

_LOST = "The agent no longer knows this chat; what it had said is kept."


class AgentLink:
    """`agent` is None until it was reached; `replayed` when it was told the history again; `told`
    counts the messages from before the session that it was told.
    """

    def __init__(self, running: RunningTurn, outside: Outside) -> None:
        self._running = running
        self._outside = outside
        self._address: AgentAddress | None = None
        self._borrowing: asyncio.Future[AgentAddress] | None = None
        self._skill_text: asyncio.Future[str] | None = None
        self.agent: AgentSession | None = None
        self.replayed = False
        self.told = 0

    @property
    def skill_directory(self) -> str:
        return self._address.skill_directory if self._address else ""

    def borrow(self) -> asyncio.Future[AgentAddress]:
        """Begin to acquire the sandbox, for a turn that was not prompted yet; `reach` waits for
        it.
        """
        session = self._running.session
        first = session.agent_session is None
        if first:
            self._skill_text = asyncio.ensure_future(
                self._outside.skills.text(session.skill.digest)
            )
        self._borrowing = asyncio.ensure_future(
            self._outside.sandboxes.acquire(self._running.turn, session, verify=first)
        )
        return self._borrowing

    async def drop(self) -> None:
        """Give back what was borrowed, for a turn that is not run after all."""
        if self._borrowing is not None:
            await asyncio.wait({self._borrowing})
        await self.leave(ended=False)

    async def reach(self) -> AgentSession:
        """Open the conversation in the sandbox, once it is there."""
        self._address = await (self._borrowing or self.borrow())
        self._borrowing = None
        session = self._running.session
        first = session.agent_session is None
        try:
            earlier = earlier_history(session) if first else []
            self.agent = await self._opened(self._address, session, earlier)
            self.told = len(earlier)
        except AgentUnknownError:
            history = await recent_history(self._outside.answers, session)
            self.agent = await self._opened(
                self._address, replace(session, agent_session=None), history
            )
            self.replayed = bool(history)
        return self.agent

    async def reach_again(self) -> AgentSession:
        """After the connection broke, or in another process: to the conversation as it is now.

        Raises AgentUnknownError when the agent lost it.
        """
        await self._let_go()
        turn = self._running.turn
        session = replace(
            self._running.session,
            agent_session=turn.agent_session or self._running.session.agent_session,
        )
        address = await self._acquired_again(session)
        self.agent = await self._outside.agents.open(address, session)
        return self.agent

    async def _opened(
        self, address: AgentAddress, session: ChatSession, history: Sequence[TranscriptMessage]
    ) -> AgentSession:
        """An agent that was lent because it answered a moment ago may be gone: then it is asked
        for once more, which starts it again.
        """
        try:
            return await self._outside.agents.open(address, session, history=history)
        except AgentLostError as exc:
            logger.info("the agent is asked for again: %s", exc.detail)
        address = await self._acquired_again(session)
        return await self._outside.agents.open(address, session, history=history)

    async def _acquired_again(self, session: ChatSession) -> AgentAddress:
        """Before the former use-lease is given back: by that sandbox-manager knows that this turn
        did not reach the agent.
        """
        former = self._address
        self._address = await self._outside.sandboxes.acquire(
            self._running.turn, session, verify=False, goes_on=True
        )
        if former is not None and former.use_lease_id != self._address.use_lease_id:
            await self._release(former)
        return self._address

    async def prompt(self, *, first: bool) -> str:
        """The turn's text as the agent gets it: a conversation's first one brings the skill."""
        session, text = self._running.session, self._running.turn.prompt
        if not first:
            return text
        if self._skill_text is None:
            content = await self._outside.skills.text(session.skill.digest)
        else:
            content = await self._skill_text
        return first_prompt(session, content, self.skill_directory, text)

    @property
    def notices(self) -> tuple[str, ...]:
        return self._address.notices if self._address else ()

    @property
    def images(self) -> list[str]:
        """The turn's attached images, where the agent finds them."""
        workspace = self._address.workspace if self._address else ""
        return [f"{workspace}/{path}" for path in self._running.turn.images]

    async def renew(self) -> None:
        """Prolong the use-lease, or get another where it ended while nobody could prolong it."""
        if self._address is None:
            return
        turn, session = self._running.turn, self._running.session
        try:
            await self._outside.sandboxes.renew(turn.owner_id, self._address.use_lease_id)
        except GoneError:
            self._address = await self._outside.sandboxes.acquire(
                turn, session, verify=False, goes_on=True
            )

    async def leave(self, *, ended: bool) -> None:
        """Give the use-lease back, and keep the connection for the next turn if this one ended."""
        if self._skill_text is not None:
            self._skill_text.cancel()
        self._address = self._address or self._unused()
        if self.agent is not None and ended:
            await self.agent.rest()
            self.agent = None
        await self._let_go()
        if self._address is not None:
            await self._release(self._address)
            self._address = None

    def _unused(self) -> AgentAddress | None:
        """What was borrowed and never reached."""
        borrowing, self._borrowing = self._borrowing, None
        if borrowing is None or borrowing.cancel() or borrowing.cancelled():
            return None
        return None if borrowing.exception() else borrowing.result()

    async def _let_go(self) -> None:
        agent, self.agent = self.agent, None
        if agent is not None:
            await agent.close()

    async def _release(self, address: AgentAddress) -> None:
        """A lease that cannot be given back runs out by itself."""
        try:
            await self._outside.sandboxes.release(
                self._running.turn.owner_id, address.use_lease_id
            )
        except AppError:
            return
