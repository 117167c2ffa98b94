"""What an agent tells, in our words: the port's events, its transcript, and how it is reached."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


# Made for every chunk, and freezing one costs more than making it.
@dataclass(slots=True)
class TextDelta:
    text: str


@dataclass(slots=True)
class ReasoningDelta:
    text: str


@dataclass(frozen=True, slots=True)
class CallStarted:
    """The agent calls its model: a first time, after a tool, or again after a failure."""


@dataclass(frozen=True, slots=True)
class InterimText:
    """A finished piece of the answer before a tool; `streamed` when its text came as deltas."""

    text: str
    streamed: bool


@dataclass(frozen=True, slots=True)
class ToolStart:
    call_id: str
    name: str
    preview: str = ""
    arguments: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ToolProgress:
    call_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolEnd:
    call_id: str
    name: str
    arguments: dict[str, Any] | None = None
    duration_s: float | None = None
    error: bool = False
    result: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalAsk:
    command: str
    description: str
    rules: tuple[str, ...]
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Note:
    text: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Tokens:
    input: int = 0
    output: int = 0
    total: int = 0
    calls: int = 0


class AgentStatus(StrEnum):
    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of the agent's turn. `text` is its whole final answer, or the error; `last_status`
    the last thing it said about its own state.
    """

    status: AgentStatus
    text: str
    tokens: Tokens | None = None
    warning: str = ""
    last_status: str = ""


AgentEvent = (
    TextDelta
    | ReasoningDelta
    | CallStarted
    | InterimText
    | ToolStart
    | ToolProgress
    | ToolEnd
    | ApprovalAsk
    | Note
    | Finished
)


@dataclass(frozen=True, slots=True)
class ToolCall:
    call_id: str
    name: str
    arguments: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class TranscriptMessage:
    """One message as the agent stored it."""

    role: str
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""
    name: str = ""
    error: bool = False
    finish: str = ""


@dataclass(frozen=True)
class Standing:
    """What the agent is doing at the moment we attach: a prompt still in work with all the text of
    its answer so far, or nothing.
    """

    running: bool
    prompt: str = ""
    text: str = ""


@dataclass(frozen=True)
class AgentAddress:
    """How to reach the owner's agent under a use-lease. `url` and `token` are secrets, `secrets`
    the values in its environment by name, which it may say and nobody is to be shown; `notices` is
    what the user should know about this turn.
    """

    use_lease_id: str
    sandbox_id: str
    url: str = field(repr=False)
    token: str = field(repr=False)
    workspace: str
    skill_directory: str
    notices: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
