"""What the demo model can do with a request."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class ToolCall:
    """`arguments` is JSON text, as on the wire, so that broken JSON can be sent too."""

    name: str
    arguments: str


@dataclass(frozen=True)
class Usage:
    prompt_tokens: int
    completion_tokens: int

    def as_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": 0},
        }


@dataclass(frozen=True)
class Pace:
    """`chunks_per_second` 0 means as fast as the reader takes them."""

    chunks_per_second: float = 0.0
    words_per_chunk: int = 1


@dataclass(frozen=True)
class Reply:
    """An answer; `breaks` ends its stream early: `drop` cuts the connection, `error` sends an
    error event.

    Without `usage` the tokens are counted; `tells_usage` is false where none is to be sent.
    """

    text: str = ""
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    finish: str = ""
    usage: Usage | None = None
    tells_usage: bool = True
    pace: Pace = Pace()
    breaks: str = ""

    @property
    def finish_reason(self) -> str:
        return self.finish or ("tool_calls" if self.calls else "stop")


@dataclass(frozen=True)
class Refusal:
    """An HTTP answer instead of a completion; a `str` body is sent as HTML."""

    status: int
    body: dict[str, Any] | str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Behaviour:
    """Wait `delay_s`, then `outcome`; an infinite delay is a provider that hangs."""

    outcome: Reply | Refusal
    delay_s: float = 0.0


def openai_error(message: str, kind: str, code: str | None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
