"""Opens conversations with Hermes, and keeps those at rest for a while."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import aiohttp
from common.errors import ErrorCode, UnavailableError
from common.preview import SKIP_WARNING, LocalhostResolver, PreviewGuard
from common.telemetry.tracing import span
from opentelemetry.trace import SpanKind

from chat_proxy.adapters.hermes.conversation import HermesConversation
from chat_proxy.adapters.hermes.socket import HermesSocket, Message, connect
from chat_proxy.adapters.hermes.transcript import read_transcript
from chat_proxy.model.agent import AgentAddress, TranscriptMessage
from chat_proxy.model.session import ChatSession
from chat_proxy.ports import Agents

CONTRACT = 4
"""The version of Hermes' desktop protocol that this package speaks."""


class HermesAgents(Agents):
    """`rest` is how long a conversation stays connected after its turn."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        guard: PreviewGuard,
        *,
        resolver: LocalhostResolver | None = None,
        rest: timedelta = timedelta(seconds=60),
    ) -> None:
        self._http = http
        self._guard = guard
        self._dial = (resolver or LocalhostResolver()).dial
        self._rest_s = rest.total_seconds()
        self._resting: dict[tuple[str, str], tuple[HermesConversation, asyncio.TimerHandle]] = {}
        self._closing: set[asyncio.Future[None]] = set()

    async def open(
        self,
        address: AgentAddress,
        session: ChatSession,
        *,
        history: Sequence[TranscriptMessage] = (),
    ) -> HermesConversation:
        rested = self._rested(address, session)
        if rested is not None:
            return rested
        with span("hermes open", kind=SpanKind.CLIENT):
            return await self._opened(address, session, history)

    async def _opened(
        self, address: AgentAddress, session: ChatSession, history: Sequence[TranscriptMessage]
    ) -> HermesConversation:
        self._guard.check(address.url)
        headers = {**SKIP_WARNING, **address.headers}
        conversation = HermesConversation(
            transcript=lambda name: read_transcript(self._http, address, headers, name),
            on_rest=lambda one: self._keep(address.sandbox_id, one),
        )
        socket = await connect(
            _socket_url(address), headers, conversation.on_batch, dial=self._dial
        )
        try:
            await self._bind(conversation, socket, address, session, history)
        except BaseException:
            await socket.close()
            raise
        return conversation

    async def close(self) -> None:
        for conversation, timer in self._resting.values():
            timer.cancel()
            await conversation.close()
        self._resting.clear()
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def _bind(
        self,
        conversation: HermesConversation,
        socket: HermesSocket,
        address: AgentAddress,
        session: ChatSession,
        history: Sequence[TranscriptMessage],
    ) -> None:
        if session.agent_session is not None:
            result = await socket.call("session.resume", session_id=session.agent_session)
            _check_contract(result)
            conversation.begin(socket, result, fresh=False)
            return
        result = await socket.call("session.create", **_creation(address, session, history))
        _check_contract(result)
        conversation.begin(socket, result, fresh=True)

    def _rested(self, address: AgentAddress, session: ChatSession) -> HermesConversation | None:
        kept = self._resting.pop((address.sandbox_id, session.agent_session or ""), None)
        if kept is None:
            return None
        conversation, timer = kept
        timer.cancel()
        if not conversation.is_usable:
            self._close_later(conversation)
            return None
        conversation.wake()
        return conversation

    async def _keep(self, sandbox_id: str, conversation: HermesConversation) -> None:
        key = (sandbox_id, conversation.name)
        timer = asyncio.get_running_loop().call_later(self._rest_s, self._expire, key)
        former = self._resting.pop(key, None)
        self._resting[key] = (conversation, timer)
        if former is not None:
            former[1].cancel()
            await former[0].close()

    def _expire(self, key: tuple[str, str]) -> None:
        kept = self._resting.pop(key, None)
        if kept is not None:
            self._close_later(kept[0])

    def _close_later(self, conversation: HermesConversation) -> None:
        closing = asyncio.ensure_future(conversation.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


def _creation(
    address: AgentAddress, session: ChatSession, history: Sequence[TranscriptMessage]
) -> Mapping[str, Any]:
    """A title of ours keeps Hermes from asking the model for one."""
    messages = [{"role": one.role, "content": one.text} for one in history]
    seed = {"messages": messages} if messages else {}
    return {"cwd": address.workspace, "title": f"{session.id}-{address.use_lease_id}", **seed}


def _check_contract(result: Message) -> None:
    number = (result.get("info") or {}).get("desktop_contract")
    if number != CONTRACT:
        message = f"the agent speaks version {number} of its protocol, not {CONTRACT}"
        raise UnavailableError(message, code=ErrorCode.AGENT_ERROR)


def _socket_url(address: AgentAddress) -> str:
    parts = urlsplit(address.url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    path = f"{parts.path.rstrip('/')}/api/ws"
    token = f"token={quote(address.token, safe='')}"
    query = f"{parts.query}&{token}" if parts.query else token
    return urlunsplit((scheme, parts.netloc, path, query, ""))
