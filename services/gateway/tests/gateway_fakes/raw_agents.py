"""An agent's own API in memory."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from common.errors import ErrorCode, UnavailableError
from gateway.ports import AgentAnswer, AgentCall


@dataclass
class FakeAnswer:
    status: int = 200
    headers: Mapping[str, str] = field(
        default_factory=lambda: {"content-type": "application/json"}
    )
    parts: tuple[bytes, ...] = (b"{}",)
    hangs: bool = False
    breaks: bool = False

    async def chunks(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            yield part
        if self.hangs:
            await asyncio.Event().wait()
        if self.breaks:
            raise UnavailableError("gone", code=ErrorCode.AGENT_LOST)


@dataclass
class FakeRawAgents:
    """Answers with `answer` or raises `failure`; `calls` is what it was asked, `closed` how many
    answers were let go.
    """

    answer: FakeAnswer = field(default_factory=FakeAnswer)
    failure: Exception | None = None
    calls: list[AgentCall] = field(default_factory=list)
    closed: int = 0

    @asynccontextmanager
    async def send(self, call: AgentCall) -> AsyncIterator[AgentAnswer]:
        self.calls.append(call)
        if self.failure is not None:
            raise self.failure
        try:
            yield self.answer
        finally:
            self.closed += 1
