"""One conversation with Hermes: the port's `AgentSession` over a socket of its own."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from chat_proxy.adapters.hermes.socket import HermesSocket, Message
from chat_proxy.adapters.hermes.tools import clipped
from chat_proxy.adapters.hermes.translate import Translator
from chat_proxy.errors import AgentLostError, AgentRefusedError
from chat_proxy.model.agent import AgentEvent, Note, Standing, TranscriptMessage
from chat_proxy.ports import AgentSession, Listener

logger = logging.getLogger(__name__)

_MOST_WAITING = 8 * 1024 * 1024
_QUESTION_CHARS = 2000
_NOBODY = (
    "Nobody can answer questions here while you work. Go on with your best judgement, and ask in "
    "your answer if you have to."
)

# Prompts of Hermes that would wait for minutes: what to answer, and what to tell the viewer.
_PROMPTS: dict[str, tuple[str, dict[str, str], str]] = {
    "clarify.request": (
        "clarify.respond",
        {"answer": _NOBODY},
        "The agent asked a question and was told to go on: {question}",
    ),
    "sudo.request": (
        "sudo.respond",
        {"password": ""},
        "The agent asked for an administrator's password, which does not exist here.",
    ),
    "secret.request": (
        "secret.respond",
        {"value": ""},
        "The agent asked for a secret; secrets are entered in the settings, not in the chat.",
    ),
    "terminal.read.request": (
        "terminal.read.respond",
        {"text": ""},
        "The agent asked to read a terminal, which does not exist here.",
    ),
}

Transcript = Callable[[str], Awaitable[Sequence[TranscriptMessage]]]


class HermesConversation(AgentSession):
    """`begin` binds it to a live session of Hermes before anything else is called."""

    def __init__(
        self, transcript: Transcript, on_rest: "Callable[[HermesConversation], Awaitable[None]]"
    ) -> None:
        self._transcript = transcript
        self._on_rest = on_rest
        self._socket: HermesSocket | None = None
        self._live_id = ""
        self._ids: tuple[str | None, ...] = ()
        self._name = ""
        self._is_fresh = False
        self._standing = Standing(running=False)
        self._translator = Translator()
        self._waiting: list[Message] = []
        self._waiting_size = 0
        self._listener: Listener | None = None
        self._enough: asyncio.Future[None] | None = None
        self._is_lost = False
        self._is_resting = False
        self._before_start = False

    def begin(self, socket: HermesSocket, result: Message, *, fresh: bool) -> None:
        """Take over what Hermes answered on creating or resuming."""
        self._socket = socket
        self._live_id = str(result["session_id"])
        self._ids = (self._live_id, None, "")
        self._name = str(
            result.get("stored_session_id") or result.get("session_key") or result["resumed"]
        )
        self._is_fresh = fresh
        inflight = result.get("inflight") or {}
        self._standing = Standing(
            running=bool(result.get("running")),
            prompt=str(inflight.get("user") or ""),
            text=str(inflight.get("assistant") or ""),
        )
        self._translator = Translator((result.get("info") or {}).get("usage"))

    @property
    def name(self) -> str:
        return self._name

    @property
    def is_fresh(self) -> bool:
        return self._is_fresh

    @property
    def standing(self) -> Standing:
        return self._standing

    @property
    def is_usable(self) -> bool:
        return self._socket is not None and self._socket.is_open and not self._is_lost

    async def submit(self, text: str, *, images: Sequence[str] = ()) -> None:
        self._translator.turn_begins()
        for path in images:
            try:
                await self._call("image.attach", path=path)
            except AgentRefusedError as exc:
                # The prompt names it all the same: the agent sees what it can do with it.
                logger.info("an image is not shown to the model: %s", exc.detail)
        self._is_fresh = False
        result = await self._call("prompt.submit", text=text)
        # Hermes was busy with something of its own: ours begins with the next message.start.
        self._before_start = result.get("status") == "queued"

    async def listen(self, listener: Listener) -> None:
        messages, self._waiting, self._waiting_size = self._waiting, [], 0
        events = self._translated(messages)
        if events and not listener.on_events(events):
            return
        if self._is_lost:
            raise _lost()
        self._listener, self._enough = listener, asyncio.get_running_loop().create_future()
        try:
            await self._enough
        finally:
            self._listener = None

    async def interrupt(self) -> None:
        await self._call("session.interrupt")

    async def answer(self, *, allow: bool) -> bool:
        result = await self._call("approval.respond", choice="once" if allow else "deny")
        return bool(result.get("resolved"))

    async def transcript(self) -> Sequence[TranscriptMessage]:
        return await self._transcript(self._name)

    async def rest(self) -> None:
        self._is_resting = True
        self._waiting, self._waiting_size = [], 0
        self._standing = Standing(running=False)
        await self._on_rest(self)

    def wake(self) -> None:
        """In use again after a rest."""
        self._is_resting = False

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()

    def on_batch(self, batch: list[Message] | None, size: int) -> None:
        """Called by the socket."""
        if batch is None:
            self._is_lost = True
            if self._listener is not None:
                self._end_listening(_lost())
        elif self._listener is not None:
            try:
                if not self._is_heard(self._listener, batch):
                    self._end_listening()
            except Exception as exc:  # noqa: BLE001 (for whoever listens)
                self._end_listening(exc)
        elif self._is_resting:
            self._overhear(batch)
        else:
            self._waiting += batch
            self._waiting_size += size
            if self._waiting_size > _MOST_WAITING:
                # It sends faster than anybody can write it down.
                self._is_lost = True
                self._waiting = []

    def _is_heard(self, listener: Listener, batch: list[Message]) -> bool:
        """False when that was enough."""
        return listener.hear(self._translated(batch))

    def _end_listening(self, exc: Exception | None = None) -> None:
        self._listener = None
        if self._enough is None or self._enough.done():
            return
        if exc is None:
            self._enough.set_result(None)
        else:
            self._enough.set_exception(exc)

    def _translated(self, messages: list[Message]) -> list[AgentEvent]:
        events: list[AgentEvent] = []
        for message in messages:
            type_, payload = message.get("type"), message.get("payload", {})
            if not isinstance(type_, str):
                type_ = str(type_)
            if message.get("session_id") not in self._ids:
                continue
            if self._before_start and not self._counts(type_):
                continue
            event = (
                self._decline(type_, payload)
                if type_ in _PROMPTS and isinstance(payload, dict)
                else self._translator.translate(type_, payload)
            )
            if event is not None:
                events.append(event)
        return events

    def _counts(self, type_: str) -> bool:
        """Whether an event belongs to our prompt and not to what Hermes did before it."""
        self._before_start = type_ != "message.start"
        return not self._before_start

    def _decline(self, type_: str, payload: dict[str, Any]) -> Note:
        method, answer, told = _PROMPTS[type_]
        if self._socket is not None:
            self._socket.tell(method, request_id=payload.get("request_id"), **answer)
        question = clipped(str(payload.get("question", "")), _QUESTION_CHARS)
        return Note(told.format(question=question), "agent_question")

    def _overhear(self, batch: list[Message]) -> None:
        """What Hermes does by itself between turns is not told, but its tokens are not the next
        turn's.
        """
        for message in batch:
            if message.get("type") == "message.complete":
                self._translator.translate("message.complete", message.get("payload") or {})

    async def _call(self, method: str, **params: Any) -> Message:
        if self._socket is None:
            message = "the agent was not reached"
            raise AgentLostError(message)
        return await self._socket.call(method, session_id=self._live_id, **params)


def _lost() -> AgentLostError:
    return AgentLostError("the connection to the agent broke")
