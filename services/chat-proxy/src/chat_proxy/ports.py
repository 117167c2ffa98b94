"""What the use cases need of the outside."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from common.contracts.chat import AnswerApproval, Attach, Attached, TurnRequest
from common.contracts.chat import Approval as WireApproval
from common.contracts.chat import Turn as WireTurn
from common.contracts.events import OutgoingEvent
from common.contracts.sandbox import Launch, Receipt, StoredBody

from chat_proxy.model.agent import (
    AgentAddress,
    AgentEvent,
    Standing,
    TextDelta,
    TranscriptMessage,
)
from chat_proxy.model.approval import Approval
from chat_proxy.model.journal import Answer, Entry
from chat_proxy.model.session import ChatSession, Place
from chat_proxy.model.share import Share
from chat_proxy.model.turn import Turn
from chat_proxy.model.usage import (
    CallFailure,
    Origin,
    SessionUsage,
    Spent,
    Tokens,
    TurnUsage,
)


class Sessions(Protocol):
    async def create(
        self, session: ChatSession, *, idempotency_key: str | None, emit: OutgoingEvent
    ) -> ChatSession:
        """Store, or return the session that this key made before."""
        ...

    async def get(self, owner_id: str, session_id: str) -> ChatSession:
        """Raises NotFoundError, also for a session of another owner or a deleted one."""
        ...

    async def find(self, session_id: str) -> ChatSession:
        """For our own work; also a deleted one."""
        ...

    async def list(
        self, owner_id: str, *, words: Sequence[str], limit: int, after: Place | None = None
    ) -> list[ChatSession]:
        """The last changed first, from the place on where another list ended."""
        ...

    async def titles(self, owner_id: str, session_ids: Sequence[str]) -> Mapping[str, str]:
        """Of those that are there and not deleted."""
        ...

    async def rename(self, session: ChatSession) -> ChatSession: ...

    async def keep_thread(self, session: ChatSession, thread: str) -> None: ...

    async def with_thread(self, owner_id: str, thread: str) -> ChatSession: ...

    async def take_thread(self, owner_id: str, thread: str) -> ChatSession:
        """And keep it no longer: one caller gets it. Both raise NotFoundError."""
        ...

    async def entitle(self, session_id: str, title: str, at: datetime) -> None:
        """Give it the title if it has none of its own yet."""
        ...

    async def touch(self, session_id: str, at: datetime) -> None: ...

    async def keep_agent_session(self, session_id: str, agent_session: str) -> None: ...

    async def end_turn(
        self, turn: Turn, *, last_seq: int, words: Sequence[str], at: datetime
    ) -> None:
        """`words` are those by which the turn is found."""
        ...

    async def delete(self, owner_id: str, session_id: str, *, emit: OutgoingEvent) -> ChatSession:
        """Hide the session and everything of it; the purge comes later."""
        ...

    async def purge(self, *, limit: int) -> int:
        """Remove deleted sessions whose events are out and whose turns have ended."""
        ...


class Holdings(Protocol):
    """All that is kept of an owner, whatever it is."""

    async def count(self, owner_id: str) -> dict[str, int]:
        """How much there is, by store."""
        ...

    async def sessions(self, owner_id: str) -> Sequence[str]:
        """The ids of all sessions, deleted ones too."""
        ...

    async def forget(self, owner_id: str) -> bool:
        """Remove what no turn and no event needs any more; False while something is left."""
        ...


class Turns(Protocol):
    async def start(
        self, turn: Turn, *, idempotency_key: str | None, emit: OutgoingEvent
    ) -> Turn | None:
        """Store `turn` as the session's only running one, or return the turn that this key made
        before; None when another one runs.
        """
        ...

    async def get(self, owner_id: str, session_id: str, turn_id: str) -> Turn: ...

    async def with_key(self, session_id: str, idempotency_key: str) -> Turn | None:
        """The turn that this key made before."""
        ...

    async def active(self, session_id: str) -> Turn | None: ...

    async def running(self, session_ids: Collection[str]) -> dict[str, str]:
        """The running turns' ids by session, of those that have one."""
        ...

    async def of_session(self, session_id: str) -> list[Turn]:
        """Oldest first."""
        ...

    async def has_active(self, owner_id: str, count: int) -> bool:
        """Whether the owner has so many running turns, or more."""
        ...

    async def count_same(self, turn: Turn) -> int:
        """How many earlier turns of the session said the same to the same agent's session."""
        ...

    async def save(self, turn: Turn, *, emit: OutgoingEvent | None = None) -> None:
        """Write under the turn's claim. Raises StaleFenceError when another holds it now."""
        ...

    async def renew(self, turn: Turn, now: datetime) -> Turn:
        """Prolong the claim, and read what others asked for meanwhile (a stop)."""
        ...

    async def give_back(self, turn: Turn, now: datetime) -> None:
        """Let the claim run out now."""
        ...

    async def request_stop(self, turn: Turn) -> None: ...

    async def claim_due(
        self, holder: str, now: datetime, *, here: Collection[str], limit: int
    ) -> list[Turn]:
        """Turns whose claim has run out, now claimed by `holder`; not those it runs (`here`)."""
        ...


class Answers(Protocol):
    async def take(self, turn: Turn) -> Answer:
        """Read the turn's answer and fence its former writer out."""
        ...

    async def save(self, turn: Turn, answer: Answer) -> None:
        """Store what changed. Raises StaleFenceError when another process writes it now."""
        ...

    async def is_ended(self, turn_id: str) -> bool: ...

    async def of_session(self, session_id: str) -> list[Answer]:
        """Oldest first."""
        ...

    def after(self, session_id: str, number: int) -> AsyncIterator[Answer]:
        """The answers that hold numbers above `number`, oldest first."""
        ...


class Approvals(Protocol):
    async def ask(self, approval: Approval, *, emit: OutgoingEvent) -> None: ...

    async def get(self, owner_id: str, session_id: str, approval_id: str) -> Approval: ...

    async def save(
        self, approval: Approval, *, expected: Approval, emit: OutgoingEvent | None = None
    ) -> None:
        """Write if the stored one still is as `expected`. Raises StaleFenceError."""
        ...

    async def of_turn(self, turn_id: str) -> list[Approval]:
        """Oldest first."""
        ...

    async def with_scope(
        self, owner_id: str, session_id: str, skill_digest: str
    ) -> list[Approval]: ...


class Shares(Protocol):
    async def add(self, share: Share) -> None: ...

    async def of_session(self, owner_id: str, session_id: str, now: datetime) -> list[Share]:
        """Those that are live, newest first."""
        ...

    async def with_token(self, token_sha256: str) -> Share | None:
        """Also one that has ended, for some time."""
        ...

    async def end(self, owner_id: str, session_id: str, at: datetime) -> None:
        """End all of the session's."""
        ...


class CallLog(Protocol):
    """Where the relay writes each call of a model."""

    async def origin(self, owner_id: str, session_id: str | None) -> Origin:
        """The turn of the session that runs now; without a session the owner's, if only one
        runs.
        """
        ...

    async def add(
        self, origin: Origin, provider: str, model: str, tokens: Tokens, at: datetime
    ) -> None: ...

    async def fail(
        self, origin: Origin, failure: CallFailure, model: str, at: datetime
    ) -> None: ...


class Usage(Protocol):
    """What the relay wrote, summed; days are in UTC."""

    async def total(self, owner_id: str, day: str) -> int: ...

    async def of_turn(self, turn_id: str) -> TurnUsage: ...

    async def by_day(self, owner_id: str, *, since: str) -> list[tuple[str, Spent]]:
        """Newest first; days without a call are left out."""
        ...

    async def by_session(self, owner_id: str, *, since: str, limit: int) -> list[SessionUsage]:
        """Those used last first."""
        ...

    async def cap(self, owner_id: str) -> int | None:
        """The tokens a day that the owner set for themselves."""
        ...

    async def set_cap(self, owner_id: str, daily_tokens: int | None, at: datetime) -> None: ...


class Sandboxes(Protocol):
    async def launch(self, owner_id: str, launch_id: str) -> Launch: ...

    async def receipt(self, owner_id: str, launch_id: str) -> Receipt: ...

    async def acquire(
        self, turn: Turn, session: ChatSession, *, verify: bool, goes_on: bool = False
    ) -> AgentAddress:
        """`goes_on`: the turn had the agent before."""
        ...

    async def renew(self, owner_id: str, use_lease_id: str) -> None: ...

    async def release(self, owner_id: str, use_lease_id: str) -> None: ...


class Transfer(Protocol):
    """Bodies too large for a message."""

    async def put(self, content: bytes) -> StoredBody: ...


class Skills(Protocol):
    async def text(self, digest: str) -> str:
        """The SKILL.md of the verified bundle."""
        ...


class Listener(Protocol):
    """Hears an agent while the connection to it is read, so that a piece of text costs no switch
    of tasks. Answers False when it has enough for now.
    """

    def hear(self, events: Sequence[AgentEvent]) -> bool:
        """What one read brought, which may be nothing."""
        if len(events) == 1 and type(events[0]) is TextDelta:
            return self.on_text(events[0].text)
        return not events or self.on_events(events)

    def on_text(self, text: str) -> bool:
        """A piece of the answer that came alone, as nearly all that is heard."""
        return self.on_events([TextDelta(text)])

    def on_events(self, events: Sequence[AgentEvent]) -> bool:
        """What came together."""
        ...


class AgentSession(Protocol):
    """A conversation with an agent; one listener."""

    @property
    def name(self) -> str:
        """The agent's own durable name for it."""
        ...

    @property
    def is_fresh(self) -> bool:
        """The agent knew nothing of it before."""
        ...

    @property
    def standing(self) -> Standing: ...

    async def submit(self, text: str, *, images: Sequence[str] = ()) -> None:
        """Prompt; the model is shown the `images` that the agent finds at those paths."""
        ...

    async def listen(self, listener: Listener) -> None:
        """Tell the listener what comes until it has enough: more is kept for the next call then.
        Raises AgentLostError when the connection is gone.
        """
        ...

    async def interrupt(self) -> None: ...

    async def answer(self, *, allow: bool) -> bool:
        """Answer the oldest request for approval; False when the agent waits for none.

        Raises:
            AgentRefusedError: the agent says why it does not take the answer.
            AgentLostError: nobody knows whether it arrived.
        """
        ...

    async def transcript(self) -> Sequence[TranscriptMessage]: ...

    async def rest(self) -> None:
        """The turn is over; keep the connection a while for the next one."""
        ...

    async def close(self) -> None: ...


class Agents(Protocol):
    async def open(
        self,
        address: AgentAddress,
        session: ChatSession,
        *,
        history: Sequence[TranscriptMessage] = (),
    ) -> AgentSession:
        """Resume the session's conversation, or begin one that knows `history`.

        Raises AgentUnknownError when the agent has no memory of the conversation and no history
        is given.
        """
        ...


class LiveJournal(Protocol):
    def publish(self, session_id: str, entries: Sequence[Entry]) -> bool:
        """Tell viewers; what cannot be sent is in the store anyway. False when more is told than
        goes out, and `room` should be waited for.
        """
        ...

    async def room(self) -> None: ...

    def assure(self, session_id: str, entries: Sequence[Entry]) -> None:
        """See, in the background, that what was told is told again if it was lost on its way: a
        viewer learns of a gap only by what follows it, and these are the last.
        """
        ...

    async def forget(self, session_id: str) -> None:
        """Remove what was captured. Raises UnavailableError."""
        ...

    async def captured(self, session_id: str, after: int, since: datetime) -> list[Entry]:
        """The entries above `after` that were published since `since`, in order, without a gap."""
        ...


class Replicas(Protocol):
    """The other processes of this service, each addressed by its holder's name."""

    async def stop(self, holder: str, request: TurnRequest) -> WireTurn: ...

    async def answer(self, holder: str, request: AnswerApproval) -> WireApproval: ...

    async def attach(self, holder: str, request: Attach) -> Attached: ...
