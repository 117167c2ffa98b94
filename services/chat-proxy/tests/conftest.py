"""What the tests of chat-proxy share: its stores in memory, and small values."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from chat_proxy.model.approval import SCOPES, Approval
from chat_proxy.model.journal import Answer, Entry, Segment
from chat_proxy.model.session import ChatSession, Place, SessionState
from chat_proxy.model.share import Share
from chat_proxy.model.turn import CLAIM_TTL, Claim, Turn
from chat_proxy.model.usage import SessionUsage, Spent, TurnUsage
from chat_proxy.service.running import RunningTurn
from chat_proxy.service.writer import JournalWriter
from common.contracts.chat import ApprovalState
from common.contracts.events import OutgoingEvent
from common.contracts.sandbox import LaunchSkill
from common.errors import ErrorCode, NotFoundError, StaleFenceError, UnavailableError
from common.testing.fakes import START, StoppedClock


def _stands(session: ChatSession) -> tuple[datetime, str]:
    return _place(session.place)


def _place(place: Place) -> tuple[datetime, str]:
    return place.updated_at, place.session_id


@dataclass
class FakeSessions:
    by_id: dict[str, ChatSession] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    threads: dict[str, str] = field(default_factory=dict)
    emitted: list[OutgoingEvent] = field(default_factory=list)

    async def create(
        self, session: ChatSession, *, idempotency_key: str | None, emit: OutgoingEvent
    ) -> ChatSession:
        if idempotency_key in self.keys:
            return self.by_id[self.keys[idempotency_key]]
        if idempotency_key is not None:
            self.keys[idempotency_key] = session.id
        self.by_id[session.id] = session
        self.emitted.append(emit)
        return session

    async def get(self, owner_id: str, session_id: str) -> ChatSession:
        session = self.by_id.get(session_id)
        if session is None or session.owner_id != owner_id or session.state != "active":
            raise NotFoundError("no such session", code=ErrorCode.SESSION_NOT_FOUND)
        return session

    async def find(self, session_id: str) -> ChatSession:
        return self.by_id[session_id]

    async def list(
        self, owner_id: str, *, words: Sequence[str], limit: int, after: Place | None = None
    ) -> list[ChatSession]:
        found = [one for one in self.by_id.values() if one.owner_id == owner_id]
        found.sort(key=_stands, reverse=True)
        return [one for one in found if after is None or _stands(one) < _place(after)][:limit]

    async def titles(self, owner_id: str, session_ids: Sequence[str]) -> dict[str, str]:
        return {
            one.id: one.title
            for one in self.by_id.values()
            if one.id in session_ids and one.owner_id == owner_id
        }

    async def rename(self, session: ChatSession) -> ChatSession:
        self.by_id[session.id] = session
        return session

    async def keep_thread(self, session: ChatSession, thread: str) -> None:
        self.threads[thread] = session.id

    async def with_thread(self, owner_id: str, thread: str) -> ChatSession:
        return await self.get(owner_id, self.threads.get(thread, ""))

    async def take_thread(self, owner_id: str, thread: str) -> ChatSession:
        session = await self.with_thread(owner_id, thread)
        del self.threads[thread]
        return session

    async def entitle(self, session_id: str, title: str, at: datetime) -> None:
        session = self.by_id[session_id]
        if not session.titled:
            self.by_id[session_id] = replace(session, title=title, titled=True, updated_at=at)

    async def touch(self, session_id: str, at: datetime) -> None:
        self.by_id[session_id] = replace(self.by_id[session_id], updated_at=at)

    async def keep_agent_session(self, session_id: str, agent_session: str) -> None:
        self.by_id[session_id] = replace(self.by_id[session_id], agent_session=agent_session)

    async def end_turn(
        self, turn: Turn, *, last_seq: int, words: Sequence[str], at: datetime
    ) -> None:
        self.by_id[turn.session_id] = replace(
            self.by_id[turn.session_id], last_seq=last_seq, updated_at=at
        )

    async def delete(self, owner_id: str, session_id: str, *, emit: OutgoingEvent) -> ChatSession:
        session = replace(await self.get(owner_id, session_id), state=SessionState.DELETED)
        self.by_id[session_id] = session
        self.emitted.append(emit)
        return session

    async def purge(self, *, limit: int) -> int:
        return 0


@dataclass
class FakeTurns:
    by_id: dict[str, Turn] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    emitted: list[OutgoingEvent] = field(default_factory=list)
    loses_answers: bool = False

    async def start(
        self, turn: Turn, *, idempotency_key: str | None, emit: OutgoingEvent
    ) -> Turn | None:
        if idempotency_key in self.keys:
            return self.by_id[self.keys[idempotency_key]]
        if await self.active(turn.session_id) is not None:
            return None
        if idempotency_key is not None:
            self.keys[idempotency_key] = turn.id
        self.by_id[turn.id] = turn
        self.emitted.append(emit)
        if self.loses_answers:
            raise UnavailableError("the store does not answer")
        return turn

    async def get(self, owner_id: str, session_id: str, turn_id: str) -> Turn:
        turn = self.by_id.get(turn_id)
        if turn is None or (turn.owner_id, turn.session_id) != (owner_id, session_id):
            raise NotFoundError("no such turn", code=ErrorCode.TURN_NOT_FOUND)
        return turn

    async def with_key(self, session_id: str, idempotency_key: str) -> Turn | None:
        made = self.keys.get(idempotency_key)
        return None if made is None else self.by_id[made]

    async def active(self, session_id: str) -> Turn | None:
        running = (one for one in self.by_id.values() if one.session_id == session_id)
        return next((one for one in running if not one.is_ended), None)

    async def running(self, session_ids: Collection[str]) -> dict[str, str]:
        running = [one for one in self.by_id.values() if not one.is_ended]
        return {one.session_id: one.id for one in running if one.session_id in session_ids}

    async def of_session(self, session_id: str) -> list[Turn]:
        return [one for one in self.by_id.values() if one.session_id == session_id]

    async def has_active(self, owner_id: str, count: int) -> bool:
        running = [one for one in self.by_id.values() if not one.is_ended]
        return sum(one.owner_id == owner_id for one in running) >= count

    async def count_same(self, turn: Turn) -> int:
        return sum(
            one.text == turn.text
            and one.created_at < turn.created_at
            and not (one.error and one.error.code is ErrorCode.SANDBOX_UNAVAILABLE)
            for one in self.by_id.values()
        )

    async def save(self, turn: Turn, *, emit: OutgoingEvent | None = None) -> None:
        stored = self._held(turn)
        self.by_id[turn.id] = replace(
            turn, claim=stored.claim, stop_requested=stored.stop_requested
        )
        if emit is not None:
            self.emitted.append(emit)

    async def renew(self, turn: Turn, now: datetime) -> Turn:
        stored = self._held(turn)
        self.by_id[turn.id] = replace(stored, claim=replace(stored.claim, until=now + CLAIM_TTL))
        return self.by_id[turn.id]

    async def give_back(self, turn: Turn, now: datetime) -> None:
        stored = self._held(turn)
        self.by_id[turn.id] = replace(stored, claim=replace(stored.claim, until=now))

    async def request_stop(self, turn: Turn) -> None:
        self.by_id[turn.id] = replace(self.by_id[turn.id], stop_requested=True)

    async def claim_due(
        self, holder: str, now: datetime, *, here: Collection[str], limit: int
    ) -> list[Turn]:
        due = [
            one
            for one in self.by_id.values()
            if not one.is_ended and not one.claim.covers(now) and one.id not in here
        ]
        for one in due[:limit]:
            claim = Claim(holder, one.claim.fence + 1, now + CLAIM_TTL)
            self.by_id[one.id] = replace(one, claim=claim)
        return [self.by_id[one.id] for one in due[:limit]]

    def _held(self, turn: Turn) -> Turn:
        stored = self.by_id[turn.id]
        if stored.claim.fence != turn.claim.fence or stored.is_ended:
            raise StaleFenceError("another process holds the turn")
        return stored


@dataclass
class FakeAnswers:
    by_turn: dict[str, list[Segment]] = field(default_factory=dict)
    sessions: dict[str, str] = field(default_factory=dict)
    is_down: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def take(self, turn: Turn) -> Answer:
        return self._answer(turn.id)

    async def save(self, turn: Turn, answer: Answer) -> None:
        if self.is_down:
            raise UnavailableError("the store does not answer")
        segments = deepcopy(answer.segments)
        answer.stored()
        await self.gate.wait()
        self.sessions[turn.id] = turn.session_id
        self.by_turn[turn.id] = segments

    async def is_ended(self, turn_id: str) -> bool:
        return self._answer(turn_id).is_ended

    async def of_session(self, session_id: str) -> list[Answer]:
        return [one async for one in self.after(session_id, 0)]

    async def after(self, session_id: str, number: int) -> AsyncIterator[Answer]:
        for turn_id, of in self.sessions.items():
            answer = self._answer(turn_id)
            if of == session_id and answer.seq > number:
                yield answer

    def _answer(self, turn_id: str) -> Answer:
        return Answer(turn_id, deepcopy(self.by_turn.get(turn_id, [])))


@dataclass
class FakeApprovals:
    by_id: dict[str, Approval] = field(default_factory=dict)
    refuses: set[ApprovalState] = field(default_factory=set)
    loses_answers: set[ApprovalState] = field(default_factory=set)
    emitted: list[OutgoingEvent] = field(default_factory=list)

    async def ask(self, approval: Approval, *, emit: OutgoingEvent) -> None:
        self.by_id[approval.id] = approval
        self.emitted.append(emit)

    async def get(self, owner_id: str, session_id: str, approval_id: str) -> Approval:
        approval = self.by_id.get(approval_id)
        if approval is None or approval.owner_id != owner_id:
            raise NotFoundError("no such approval", code=ErrorCode.APPROVAL_NOT_FOUND)
        return approval

    async def save(
        self, approval: Approval, *, expected: Approval, emit: OutgoingEvent | None = None
    ) -> None:
        if approval.state in self.refuses:
            raise UnavailableError("the store does not answer")
        stored = self.by_id[approval.id]
        if stored == approval:
            return
        if (stored.state, stored.choice) != (expected.state, expected.choice):
            raise StaleFenceError("the approval is another one now")
        self.by_id[approval.id] = approval
        if approval.state in self.loses_answers:
            raise UnavailableError("the store does not answer")
        if emit is not None:
            self.emitted.append(emit)

    async def of_turn(self, turn_id: str) -> list[Approval]:
        return [one for one in self.by_id.values() if one.turn_id == turn_id]

    async def with_scope(
        self, owner_id: str, session_id: str, skill_digest: str
    ) -> list[Approval]:
        return [one for one in self.by_id.values() if one.choice in SCOPES]


@dataclass
class FakeUsage:
    """What a test says was spent."""

    turns: dict[str, TurnUsage] = field(default_factory=dict)
    days: dict[str, Spent] = field(default_factory=dict)
    sessions: list[SessionUsage] = field(default_factory=list)
    caps: dict[str, int] = field(default_factory=dict)

    async def total(self, owner_id: str, day: str) -> int:
        return self.days.get(day, Spent()).total

    async def of_turn(self, turn_id: str) -> TurnUsage:
        return self.turns.get(turn_id, TurnUsage())

    async def by_day(self, owner_id: str, *, since: str) -> list[tuple[str, Spent]]:
        return sorted(((d, s) for d, s in self.days.items() if d >= since), reverse=True)

    async def by_session(self, owner_id: str, *, since: str, limit: int) -> list[SessionUsage]:
        return self.sessions[:limit]

    async def cap(self, owner_id: str) -> int | None:
        return self.caps.get(owner_id)

    async def set_cap(self, owner_id: str, daily_tokens: int | None, at: datetime) -> None:
        self.caps.pop(owner_id, None)
        if daily_tokens is not None:
            self.caps[owner_id] = daily_tokens


@dataclass
class FakeShares:
    by_id: dict[str, Share] = field(default_factory=dict)

    async def add(self, share: Share) -> None:
        self.by_id[share.id] = share

    async def of_session(self, owner_id: str, session_id: str, now: datetime) -> list[Share]:
        return [
            one
            for one in reversed(self.by_id.values())
            if (one.owner_id, one.session_id) == (owner_id, session_id) and one.is_live(now)
        ]

    async def with_token(self, token_sha256: str) -> Share | None:
        found = (one for one in self.by_id.values() if one.token_sha256 == token_sha256)
        return next(found, None)

    async def end(self, owner_id: str, session_id: str, at: datetime) -> None:
        for one in await self.of_session(owner_id, session_id, at):
            self.by_id[one.id] = one.ended(at)


@dataclass
class Stores:
    sessions: FakeSessions = field(default_factory=FakeSessions)
    turns: FakeTurns = field(default_factory=FakeTurns)
    answers: FakeAnswers = field(default_factory=FakeAnswers)
    approvals: FakeApprovals = field(default_factory=FakeApprovals)
    usage: FakeUsage = field(default_factory=FakeUsage)
    shares: FakeShares = field(default_factory=FakeShares)


@pytest.fixture
def stores() -> Stores:
    return Stores()


@pytest.fixture
def skill() -> LaunchSkill:
    return LaunchSkill(
        ref="acme/tools/count-words",
        owner="acme",
        repo="tools",
        commit="c" * 40,
        path="skills/count-words",
        name="count-words",
        digest="sha256:" + "1" * 64,
        directory="acme--tools--count-words",
    )


@pytest.fixture
def turn() -> Turn:
    return Turn(
        id="tur_" + "1" * 20,
        session_id="ses_" + "1" * 20,
        owner_id="own_" + "1" * 20,
        text="go",
        created_at=START,
        claim=Claim("prc_1", 1, START + timedelta(seconds=30)),
    )


@dataclass
class ToldLive:
    """A live journal that keeps what it was told, message by message."""

    messages: list[list[Entry]] = field(default_factory=list)

    def publish(self, session_id: str, entries: list[Entry]) -> bool:
        self.messages.append(list(entries))
        return True

    async def captured(self, session_id: str, after: int, since: datetime) -> list[Entry]:
        return [one for message in self.messages for one in message if one.seq > after]


class NoAnswers:
    """A store that takes everything."""

    async def save(self, turn: Turn, answer: Answer) -> None:
        answer.stored()


@pytest.fixture
def make_writer(turn: Turn, skill: LaunchSkill) -> Callable[[], JournalWriter]:
    session = ChatSession(turn.session_id, turn.owner_id, "lau_1", skill, "title", START, START)

    def make() -> JournalWriter:
        return JournalWriter(
            Answer(turn.id),
            RunningTurn(turn, session, heard_at=START),
            last_seq=0,
            live=ToldLive(),  # type: ignore[arg-type]
            answers=NoAnswers(),  # type: ignore[arg-type]
            clock=StoppedClock(),
        )

    return make
