"""The agent, the sandboxes and the bus in memory, and the use cases over them."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from chat_proxy.errors import AgentLostError, AgentRefusedError, AgentUnknownError
from chat_proxy.model.agent import (
    AgentAddress,
    AgentEvent,
    ApprovalAsk,
    Standing,
    TranscriptMessage,
)
from chat_proxy.model.journal import Entry
from chat_proxy.model.session import ChatSession
from chat_proxy.model.turn import Turn
from chat_proxy.ports import Listener
from chat_proxy.service.approvals import ApprovalService
from chat_proxy.service.attaching import AttachService
from chat_proxy.service.closing import Closing
from chat_proxy.service.exporting import ExportService
from chat_proxy.service.outside import Limits, Outside
from chat_proxy.service.runner import TurnRunner
from chat_proxy.service.runners import Runners
from chat_proxy.service.sessions import SessionService
from chat_proxy.service.sharing import SharingService
from chat_proxy.service.spending import Spending
from chat_proxy.service.takeover import Takeover
from chat_proxy.service.turns import TurnService
from common.clock import utc_now
from common.contracts import chat as contract
from common.contracts.sandbox import (
    Launch,
    LaunchPath,
    LaunchSkill,
    LaunchState,
    Receipt,
    StoredBody,
)
from common.errors import GoneError, UnavailableError
from common.ids import new_id
from common.testing.fakes import StoppedClock

OWNER = "own_" + "1" * 20


@dataclass
class FakeSandboxes:
    skill: LaunchSkill
    failure: Exception | None = None
    acquired: list[tuple[str, bool]] = field(default_factory=list)
    gone_on: list[bool] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    refusal: Exception | None = None
    is_silent: bool = False
    notices: tuple[str, ...] = ()
    state: LaunchState = LaunchState.READY

    async def launch(self, owner_id: str, launch_id: str) -> Launch:
        return Launch(
            id=launch_id,
            ref=self.skill.ref,
            path=LaunchPath.INSTANT,
            state=self.state,
            phases=[],
            skill=self.skill,
            created_at=utc_now(),
        )

    async def receipt(self, owner_id: str, launch_id: str) -> Receipt:
        if self.failure is not None:
            raise self.failure
        return Receipt(
            launch_id=launch_id,
            skill=self.skill,
            path=LaunchPath.INSTANT,
            sandbox_id="sandbox-1",
            image="image",
            agent="hermes",
            provider="demo",
            model="demo",
            verified_at=utc_now(),
        )

    async def acquire(
        self, turn: Turn, session: ChatSession, *, verify: bool, goes_on: bool = False
    ) -> AgentAddress:
        if self.failure is not None:
            raise self.failure
        self.acquired.append((turn.id, verify))
        self.gone_on.append(goes_on)
        return AgentAddress(
            use_lease_id=f"use_{len(self.acquired)}",
            sandbox_id="sandbox-1",
            url="http://agent",
            token="token",
            workspace="/work",
            skill_directory=f"/skills/{session.skill.directory}",
            notices=self.notices,
        )

    async def renew(self, owner_id: str, use_lease_id: str) -> None:
        if self.is_silent:
            await asyncio.Event().wait()
        if self.refusal is not None:
            raise self.refusal
        if use_lease_id in self.gone:
            raise GoneError("this use-lease has ended")
        self.renewed.append(use_lease_id)

    async def release(self, owner_id: str, use_lease_id: str) -> None:
        self.released.append(use_lease_id)


class FakeSkills:
    async def text(self, digest: str) -> str:
        return "Count the words."


@dataclass
class FakeConversation:
    """The agent's side of one connection; `tell` is what it sends, `drop` breaks it. `asked`
    counts the requests for approval that it waits for.
    """

    name: str
    is_fresh: bool
    standing: Standing = field(default_factory=lambda: Standing(running=False))
    record: list[TranscriptMessage] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    images: list[list[str]] = field(default_factory=list)
    answers: list[bool] = field(default_factory=list)
    asked: int = 0
    waits: bool = True
    refusal: str = ""
    loses_answers: bool = False
    interrupts: int = 0
    rested: bool = False
    closed: bool = False
    _batches: "asyncio.Queue[list[AgentEvent] | None]" = field(default_factory=asyncio.Queue)

    def tell(self, *events: AgentEvent) -> None:
        self.asked += sum(isinstance(event, ApprovalAsk) for event in events)
        self._batches.put_nowait(list(events))

    def drop(self) -> None:
        self._batches.put_nowait(None)

    async def submit(self, text: str, *, images: Sequence[str] = ()) -> None:
        self.prompts.append(text)
        self.images.append(list(images))
        self.is_fresh = False

    async def listen(self, listener: Listener) -> None:
        while (batch := await self._batches.get()) is not None:
            if not listener.hear(batch):
                return
        raise AgentLostError("gone")

    async def interrupt(self) -> None:
        self.interrupts += 1

    async def answer(self, *, allow: bool) -> bool:
        self.answers.append(allow)
        if self.loses_answers:
            raise AgentLostError("gone")
        if self.refusal:
            raise AgentRefusedError(self.refusal)
        is_taken = self.waits and self.asked > 0
        self.asked -= is_taken
        return is_taken

    async def transcript(self) -> Sequence[TranscriptMessage]:
        return self.record

    async def rest(self) -> None:
        self.rested = True

    async def close(self) -> None:
        self.closed = True


@dataclass
class FakeAgents:
    """Opens `prepared` conversations in order, otherwise new ones; `forgets` as a new sandbox."""

    opened: list[FakeConversation] = field(default_factory=list)
    prepared: list[FakeConversation | Exception] = field(default_factory=list)
    histories: list[Sequence[TranscriptMessage]] = field(default_factory=list)
    forgets: bool = False

    async def open(
        self,
        address: AgentAddress,
        session: ChatSession,
        *,
        history: Sequence[TranscriptMessage] = (),
    ) -> FakeConversation:
        if self.forgets and session.agent_session is not None:
            raise AgentUnknownError("session not found")
        self.histories.append(history)
        known = session.agent_session
        opened: FakeConversation | Exception = (
            self.prepared.pop(0)
            if self.prepared
            else FakeConversation(known or f"stored-{len(self.opened)}", known is None)
        )
        if isinstance(opened, Exception):
            raise opened
        self.opened.append(opened)
        return opened

    @property
    def last(self) -> FakeConversation:
        return self.opened[-1]


@dataclass
class FakeLive:
    entries: list[Entry] = field(default_factory=list)
    assured: list[Entry] = field(default_factory=list)
    has_room: bool = True

    def publish(self, session_id: str, entries: Iterable[Entry]) -> bool:
        self.entries += entries
        return self.has_room

    async def room(self) -> None:
        while not self.has_room:
            await asyncio.sleep(0)

    def assure(self, session_id: str, entries: Iterable[Entry]) -> None:
        self.assured += entries

    async def forget(self, session_id: str) -> None:
        self.entries.clear()

    async def captured(self, session_id: str, after: int, since: datetime) -> list[Entry]:
        return [entry for entry in self.entries if entry.seq > after]

    @property
    def kinds(self) -> list[str]:
        return [entry.type for entry in self.entries]


@dataclass
class FakeTransfer:
    bodies: dict[str, bytes] = field(default_factory=dict)

    async def put(self, content: bytes) -> StoredBody:
        name = new_id("obj")
        self.bodies[name] = content
        return StoredBody(bucket="transfer", object_name=name, size=len(content))


class NoReplicas:
    """Nobody else runs."""

    async def stop(self, holder: str, request: contract.TurnRequest) -> contract.Turn:
        raise UnavailableError("nobody")

    async def answer(self, holder: str, request: contract.AnswerApproval) -> contract.Approval:
        raise UnavailableError("nobody")

    async def attach(self, holder: str, request: contract.Attach) -> contract.Attached:
        raise UnavailableError("nobody")


class World:
    """One process of chat-proxy over fakes. Upkeep is the test's: `runner.tick()`."""

    def __init__(self, skill: LaunchSkill, limits: Limits, stores: Any) -> None:
        self.clock = StoppedClock()
        self.sessions, self.turns = stores.sessions, stores.turns
        self.answers, self.approvals = stores.answers, stores.approvals
        self.usage, self.shares = stores.usage, stores.shares
        self.transfer = FakeTransfer()
        self.sandboxes, self.agents = FakeSandboxes(skill), FakeAgents()
        self.live = FakeLive()
        self.limits = limits
        self.me = self.process("prc_me")

    def process(self, name: str) -> "Process":
        outside: Any = Outside(
            me=name,
            sessions=self.sessions,
            turns=self.turns,
            answers=self.answers,
            approvals=self.approvals,
            usage=self.usage,
            shares=self.shares,
            transfer=self.transfer,
            sandboxes=self.sandboxes,
            skills=FakeSkills(),
            agents=self.agents,
            live=self.live,
            replicas=NoReplicas(),
            clock=self.clock,
            limits=self.limits,
        )
        return Process(outside)

    async def session(self) -> contract.Session:
        return await self.me.create()

    async def say(self, session: contract.Session, text: str = "go") -> TurnRunner:
        """A turn that has reached its agent."""
        before = len(self.agents.opened)
        await self.me.start(session, text)
        runner = self.me.runners.of(session.id)
        assert runner is not None
        await self.until(
            lambda: len(self.agents.opened) > before and bool(self.agents.last.prompts)
        )
        return runner

    async def until(self, is_so: Any) -> None:
        async with asyncio.timeout(5):
            while not is_so():
                await asyncio.sleep(0)


class Process:
    def __init__(self, outside: Outside) -> None:
        self.outside = outside
        self.runners = Runners(outside)
        self.spending = Spending(outside)
        closing = Closing(outside, self.runners)
        self.turns = TurnService(outside, self.runners, self.spending, closing)
        self.sessions = SessionService(outside, self.turns, closing)
        self.approvals = ApprovalService(outside, self.runners)
        self.attaching = AttachService(outside, self.runners)
        self.exporting = ExportService(outside)
        self.sharing = SharingService(outside, closing)
        self.takeover = Takeover(outside, self.runners)

    async def create(self, context: contract.SessionContext | None = None) -> contract.Session:
        request = contract.CreateSession(owner_id=OWNER, launch_id=new_id("lau"), context=context)
        return await self.sessions.create(request)

    async def start(
        self,
        session: contract.Session,
        text: str,
        *,
        key: str | None = None,
        attachments: Sequence[str] = (),
    ) -> contract.Turn:
        return await self.turns.start(
            contract.StartTurn(
                owner_id=OWNER,
                session_id=session.id,
                text=text,
                attachments=list(attachments),
                idempotency_key=key,
            )
        )


@pytest.fixture
async def world(skill: LaunchSkill, stores: Any) -> AsyncIterator[World]:
    limits = Limits(upkeep=timedelta(hours=1), reattach_wait=timedelta(0), stop_grace=timedelta(0))
    own = World(skill, limits, stores)
    yield own
    await own.me.runners.hand_over()
