"""Agents whose words hold no value of a secret: around the real ones, so that nothing they tell
goes past it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chat_proxy.errors import AgentRefusedError
from chat_proxy.model.agent import (
    AgentAddress,
    AgentEvent,
    ApprovalAsk,
    CallStarted,
    Finished,
    InterimText,
    Note,
    ReasoningDelta,
    Standing,
    TextDelta,
    ToolCall,
    ToolEnd,
    ToolProgress,
    ToolStart,
    TranscriptMessage,
)
from chat_proxy.model.redaction import RedactedStream, Redactor
from chat_proxy.model.session import ChatSession
from chat_proxy.ports import Agents, AgentSession, Listener

TEXTS: Mapping[type[Any], tuple[str, ...]] = {
    TextDelta: ("text",),
    ReasoningDelta: ("text",),
    CallStarted: (),
    InterimText: ("text",),
    ToolStart: ("preview",),
    ToolProgress: ("text",),
    ToolEnd: ("result",),
    ApprovalAsk: ("command", "description"),
    Note: ("text",),
    Finished: ("text", "warning"),
}
"""Where an agent's words stand in what it tells; arguments of tools besides."""


class RedactingAgents(Agents):
    def __init__(self, agents: Agents) -> None:
        self._agents = agents

    async def open(
        self,
        address: AgentAddress,
        session: ChatSession,
        *,
        history: Sequence[TranscriptMessage] = (),
    ) -> AgentSession:
        opened = await self._agents.open(address, session, history=history)
        redactor = Redactor(address.secrets)
        return RedactingSession(opened, redactor) if redactor else opened


class _RedactingListener(Listener):
    def __init__(
        self, listener: Listener, redacted: Callable[[AgentEvent], list[AgentEvent]]
    ) -> None:
        self._listener = listener
        self._redacted = redacted

    def on_events(self, events: Sequence[AgentEvent]) -> bool:
        return self._listener.hear([shown for event in events for shown in self._redacted(event)])


class RedactingSession(AgentSession):
    """What the person wrote is left as it is: it is compared with what the agent was given."""

    def __init__(self, session: AgentSession, redactor: Redactor) -> None:
        self._session = session
        self._redactor = redactor
        self._text = RedactedStream(redactor)
        self._reasoning = RedactedStream(redactor)
        # A value that was cut in two by a lost connection goes on in what comes next.
        self._standing = replace(session.standing, text=self._text.feed(session.standing.text))

    @property
    def name(self) -> str:
        return self._session.name

    @property
    def is_fresh(self) -> bool:
        return self._session.is_fresh

    @property
    def standing(self) -> Standing:
        return self._standing

    async def submit(self, text: str, *, images: Sequence[str] = ()) -> None:
        await self._session.submit(text, images=images)

    async def listen(self, listener: Listener) -> None:
        await self._session.listen(_RedactingListener(listener, self._redacted))

    async def interrupt(self) -> None:
        await self._session.interrupt()

    async def answer(self, *, allow: bool) -> bool:
        try:
            return await self._session.answer(allow=allow)
        except AgentRefusedError as exc:
            raise AgentRefusedError(self._redactor.text(exc.detail)) from None

    async def transcript(self) -> Sequence[TranscriptMessage]:
        return [self._message(message) for message in await self._session.transcript()]

    async def rest(self) -> None:
        await self._session.rest()

    async def close(self) -> None:
        await self._session.close()

    def _redacted(self, event: AgentEvent) -> list[AgentEvent]:
        match event:
            case TextDelta(text=text):
                shown = self._text.feed(text)
                return [TextDelta(shown)] if shown else []
            case ReasoningDelta(text=text):
                shown = self._reasoning.feed(text)
                return [ReasoningDelta(shown)] if shown else []
            case _:
                return [*self._held(), self._whole(event)]

    def _held(self) -> list[AgentEvent]:
        """Text is over where something else comes."""
        reasoning, text = self._reasoning.end(), self._text.end()
        return [
            *([ReasoningDelta(reasoning)] if reasoning else []),
            *([TextDelta(text)] if text else []),
        ]

    def _whole(self, event: AgentEvent) -> AgentEvent:
        fields: dict[str, Any] = {
            name: self._redactor.text(getattr(event, name)) for name in TEXTS[type(event)]
        }
        if isinstance(event, ToolStart | ToolEnd):
            arguments = self._redactor.anything(event.arguments)
            return replace(event, arguments=arguments, **fields)
        return replace(event, **fields)

    def _message(self, message: TranscriptMessage) -> TranscriptMessage:
        if message.role == "user":
            return message
        calls = tuple(
            ToolCall(call.call_id, call.name, self._redactor.anything(call.arguments))
            for call in message.calls
        )
        return replace(message, text=self._redactor.text(message.text), calls=calls)
