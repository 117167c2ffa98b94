"""The wire of chat-proxy: sessions, turns, approvals, and the entries of a session's journal.

Entries are numbered per session from 1 without gaps. A folded entry stands for several: it carries
`seq_from` and its `seq` is the last number it covers; an entry without `seq_from` covers just its
own number.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from common.contracts.base import Empty, Erased, Message, OwnerId, Request, Rpc, WireSecret
from common.contracts.sandbox import Failure, FilePath, LaunchSkill, Receipt, StoredBody

SessionId = Annotated[str, StringConstraints(pattern=r"^ses_[a-z0-9]{20}$")]
TurnId = Annotated[str, StringConstraints(pattern=r"^tur_[a-z0-9]{20}$")]


class TurnState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"


class ApprovalChoice(StrEnum):
    ONCE = "once"
    SESSION = "session"
    ALWAYS = "always"
    DENY = "deny"


class ApprovalState(StrEnum):
    """`delivering` is stored before the answer is sent; a crash in between ends as `unknown`."""

    PENDING = "pending"
    DELIVERING = "delivering"
    DELIVERED = "delivered"
    REFUSED = "refused"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class Entry(Message):
    seq: int
    seq_from: int | None = None
    at: datetime
    turn_id: str


class TurnStarted(Entry):
    type: Literal["turn.started"] = "turn.started"
    text: str
    skill_digest: str | None = None
    attachments: list[str] = []


class Text(Entry):
    type: Literal["text"] = "text"
    text: str


class TextReplaced(Entry):
    """The agent started its answer over: `text` stands for all text of the turn since its last
    tool.
    """

    type: Literal["text.replaced"] = "text.replaced"
    text: str
    reason: str = ""


class Reasoning(Entry):
    type: Literal["reasoning"] = "reasoning"
    text: str


class ToolStarted(Entry):
    type: Literal["tool.started"] = "tool.started"
    call_id: str
    name: str
    preview: str = ""
    arguments: dict[str, Any] | None = None


class ToolProgress(Entry):
    type: Literal["tool.progress"] = "tool.progress"
    call_id: str
    text: str


class ToolCompleted(Entry):
    type: Literal["tool.completed"] = "tool.completed"
    call_id: str
    name: str = ""
    arguments: dict[str, Any] | None = None
    duration_s: float | None = None
    error: bool = False
    result: str = ""
    recovered: bool = False


class ApprovalRequested(Entry):
    type: Literal["approval.requested"] = "approval.requested"
    approval_id: str
    command: str
    description: str = ""
    choices: list[ApprovalChoice]
    expires_at: datetime


class ApprovalResolved(Entry):
    type: Literal["approval.resolved"] = "approval.resolved"
    approval_id: str
    choice: ApprovalChoice | None
    state: ApprovalState
    detail: str = ""


class Usage(Entry):
    type: Literal["usage"] = "usage"
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    calls: int = 0


class Notice(Entry):
    type: Literal["notice"] = "notice"
    text: str
    code: str = ""


class TurnEnded(Entry):
    type: Literal["turn.ended"] = "turn.ended"
    state: Literal["completed", "stopped", "failed"]
    error: Failure | None = None


JournalEntry = Annotated[
    TurnStarted
    | Text
    | TextReplaced
    | Reasoning
    | ToolStarted
    | ToolProgress
    | ToolCompleted
    | ApprovalRequested
    | ApprovalResolved
    | Usage
    | Notice
    | TurnEnded,
    Field(discriminator="type"),
]
"""One entry of `journal.session.<id>`."""


class Session(Message):
    id: SessionId
    title: str
    skill: LaunchSkill
    launch_id: str
    turn_id: str | None = None
    last_seq: int = 0
    created_at: datetime
    updated_at: datetime


class ChatMessage(Message):
    """A user's message, or the agent's answer as folded entries with the journal's numbers."""

    id: str
    turn_id: str
    role: Literal["user", "assistant"]
    text: str
    attachments: list[str] = []
    entries: list[JournalEntry] = []
    created_at: datetime


class SessionDetail(Session):
    messages: list[ChatMessage]


class SessionList(Message):
    """`next_cursor` asks for the sessions that follow, if there are any."""

    sessions: list[Session]
    next_cursor: str | None = None


class TokensUsed(Message):
    """Calls of a model and what they cost; `estimated_tokens` are those no provider counted."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    estimated_tokens: int = 0


class Turn(Message):
    id: TurnId
    session_id: SessionId
    state: TurnState
    text: str
    attachments: list[str] = []
    skill_digest: str | None = None
    other_skills: list[str] = []
    error: Failure | None = None
    seq_from: int | None = None
    usage: TokensUsed | None = None
    created_at: datetime
    ended_at: datetime | None = None


class DayUsage(TokensUsed):
    """`day` in UTC, as `2026-01-31`."""

    day: str


class SessionUsage(TokensUsed):
    """`title` is None for a session that was deleted."""

    session_id: str
    title: str | None
    last_at: datetime


class TokenCap(Message):
    """`daily_tokens` is what counts: the smaller of the owner's own and the operator's; None is no
    cap. A used-up one refuses the next turn and never cuts a running one.
    """

    daily_tokens: int | None
    own: int | None
    operator: int | None
    used: int
    resets_at: datetime


class UsageReport(Message):
    """Newest first: days with a call, and the sessions used last."""

    cap: TokenCap
    days: list[DayUsage]
    sessions: list[SessionUsage]


class Approval(Message):
    id: str
    session_id: SessionId
    turn_id: TurnId
    state: ApprovalState
    choice: ApprovalChoice | None = None
    command: str
    description: str = ""
    detail: str = ""
    expires_at: datetime
    decided_at: datetime | None = None


class ContextMessage(Message):
    role: Literal["user", "assistant"]
    text: str


class SessionContext(Message):
    """What was said before the session, elsewhere: the agent is told the last of it, after the
    client's own instructions.
    """

    instructions: str = Field(default="", max_length=100_000)
    history: list[ContextMessage] = Field(default=[], max_length=200)


class CreateSession(Request):
    owner_id: OwnerId
    launch_id: str
    context: SessionContext | None = None
    idempotency_key: str | None = Field(default=None, max_length=200)


class ListSessions(Request):
    owner_id: OwnerId
    query: str | None = Field(default=None, max_length=200)
    cursor: str | None = Field(default=None, max_length=100)


class SessionRequest(Request):
    owner_id: OwnerId
    session_id: str


class RenameSession(SessionRequest):
    title: str = Field(min_length=1, max_length=200)


Thread = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""What a client that keeps the conversation itself is known by when it comes back with it: a hash
of all that was said.
"""


class KeepThread(SessionRequest):
    """The session goes on when a client comes with this conversation."""

    thread: Thread


class TakeThread(Request):
    """The session in which this conversation stands, for one caller: it is no longer found."""

    owner_id: OwnerId
    thread: Thread


class StartTurn(SessionRequest):
    """`attachments` are files of the session's workspace, put there before."""

    text: str = Field(min_length=1, max_length=100_000)
    attachments: list[FilePath] = Field(default=[], max_length=20)
    idempotency_key: str | None = Field(default=None, max_length=200)


class TurnRequest(SessionRequest):
    turn_id: str


class AnswerApproval(SessionRequest):
    approval_id: str
    choice: ApprovalChoice


class EraseChats(Request):
    """Delete every session of an owner with all that was said in it."""

    owner_id: OwnerId


class GetUsage(Request):
    """Of the last `days` days, today among them."""

    owner_id: OwnerId
    days: int = Field(default=30, ge=1, le=366)


class SetCap(Request):
    """What the owner allows themselves; None takes it away."""

    owner_id: OwnerId
    daily_tokens: int | None = Field(ge=1, le=1_000_000_000_000)


class ExportFormat(StrEnum):
    MARKDOWN = "md"
    JSON = "json"


class ExportSession(SessionRequest):
    """Everything that was said; with `redact`, without what looks like a credential."""

    format: ExportFormat = ExportFormat.MARKDOWN
    redact: bool = True


class Exported(Message):
    file_name: str
    media_type: str
    body: StoredBody


class Share(Message):
    """A read-only link to a session as it stood when it was shared."""

    id: str
    session_id: SessionId
    with_tools: bool
    with_reasoning: bool
    last_seq: int
    created_at: datetime
    expires_at: datetime


class CreatedShare(Share):
    """With the link's secret part, which is never shown again: only its SHA-256 is kept."""

    token: WireSecret


class ShareSession(SessionRequest):
    """Share the turns that have ended. Earlier links of the session stay as they are."""

    expires_in_days: int = Field(default=30, ge=1, le=365)
    with_tools: bool = True
    with_reasoning: bool = False


class ShareList(Message):
    shares: list[Share]


class GetShared(Request):
    """What a link shows to anybody who has it, after number `after`."""

    token_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    after: int = Field(default=0, ge=0)


class SharedPage(Message):
    """Redacted entries in order; numbers that were left out are not there. `more` when a further
    call from `last_seq` is needed.
    """

    title: str
    skill: LaunchSkill
    receipt: Receipt | None
    shared_at: datetime
    expires_at: datetime
    entries: list[JournalEntry]
    last_seq: int
    more: bool = False


class Attach(SessionRequest):
    """Every entry after number `after`; the caller has subscribed to the journal before, so
    nothing falls between.
    """

    after: int = Field(default=0, ge=0)


class Attached(Message):
    """Folded entries, first number `after` + 1; `more` when a further call from the last number is
    needed.
    """

    entries: list[JournalEntry]
    last_seq: int
    more: bool = False


CREATE_SESSION = Rpc("rpc.chat-proxy.create_session.v1", CreateSession, Session)
LIST_SESSIONS = Rpc("rpc.chat-proxy.list_sessions.v1", ListSessions, SessionList)
FIND_SESSION = Rpc("rpc.chat-proxy.find_session.v1", SessionRequest, Session)
GET_SESSION = Rpc("rpc.chat-proxy.get_session.v1", SessionRequest, SessionDetail)
RENAME_SESSION = Rpc("rpc.chat-proxy.rename_session.v1", RenameSession, Session)
DELETE_SESSION = Rpc("rpc.chat-proxy.delete_session.v1", SessionRequest, Empty)
KEEP_THREAD = Rpc("rpc.chat-proxy.keep_thread.v1", KeepThread, Empty)
TAKE_THREAD = Rpc("rpc.chat-proxy.take_thread.v1", TakeThread, Session)
START_TURN = Rpc("rpc.chat-proxy.start_turn.v1", StartTurn, Turn)
GET_TURN = Rpc("rpc.chat-proxy.get_turn.v1", TurnRequest, Turn)
STOP_TURN = Rpc("rpc.chat-proxy.stop_turn.v1", TurnRequest, Turn)
ANSWER_APPROVAL = Rpc("rpc.chat-proxy.answer_approval.v1", AnswerApproval, Approval)
GET_USAGE = Rpc("rpc.chat-proxy.get_usage.v1", GetUsage, UsageReport)
SET_CAP = Rpc("rpc.chat-proxy.set_cap.v1", SetCap, TokenCap)
EXPORT_SESSION = Rpc("rpc.chat-proxy.export_session.v1", ExportSession, Exported)
SHARE_SESSION = Rpc("rpc.chat-proxy.share_session.v1", ShareSession, CreatedShare)
LIST_SHARES = Rpc("rpc.chat-proxy.list_shares.v1", SessionRequest, ShareList)
END_SHARES = Rpc("rpc.chat-proxy.end_shares.v1", SessionRequest, Empty)
GET_SHARED = Rpc("rpc.chat-proxy.get_shared.v1", GetShared, SharedPage)
ATTACH = Rpc("rpc.chat-proxy.attach.v1", Attach, Attached)
ERASE_CHATS = Rpc("rpc.chat-proxy.erase_owner.v1", EraseChats, Erased)


def session_journal(session_id: str) -> str:
    """The subject of a session's numbered entries."""
    return f"journal.session.{session_id}"
