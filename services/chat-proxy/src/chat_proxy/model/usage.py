"""What calls of a model cost, and how the last one failed: counted where they pass, in the relay.

The agent hides some of what its provider says, and counts only for itself. The relay sees every
call, knows which turn it belongs to, and its word is taken.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from common.errors import ErrorCode


@dataclass(frozen=True)
class Origin:
    """Whose call it is. A call outside any turn has none: what an agent does by itself."""

    owner_id: str
    session_id: str | None = None
    turn_id: str | None = None
    traceparent: str | None = None


@dataclass(frozen=True)
class Tokens:
    """Of one call; `is_estimated` where the provider did not say: an answer that was cut off, or a
    server that counts nothing.
    """

    input: int = 0
    output: int = 0
    is_estimated: bool = False

    @property
    def total(self) -> int:
        return self.input + self.output


@dataclass(frozen=True)
class CallFailure:
    """How a call failed, in our words; `provider` is its name in the registry."""

    code: ErrorCode
    detail: str
    provider: str = ""
    retry_at: datetime | None = None


@dataclass(frozen=True)
class Spent:
    """The sum of some calls; `estimated` tokens are part of the others."""

    calls: int = 0
    input: int = 0
    output: int = 0
    estimated: int = 0

    @property
    def total(self) -> int:
        return self.input + self.output

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.calls + other.calls,
            self.input + other.input,
            self.output + other.output,
            self.estimated + other.estimated,
        )


@dataclass(frozen=True)
class TurnUsage:
    """`failure` is how the turn's last call failed, if it did."""

    spent: Spent = Spent()
    failure: CallFailure | None = None


@dataclass(frozen=True)
class SessionUsage:
    session_id: str
    spent: Spent
    last_at: datetime


def day_of(at: datetime) -> str:
    """The day a call counts for, in UTC."""
    return at.astimezone(UTC).date().isoformat()


def next_day(at: datetime) -> datetime:
    """When a daily limit starts anew."""
    today: date = at.astimezone(UTC).date()
    return datetime.combine(today + timedelta(days=1), time(), UTC)


def smallest(*caps: int | None) -> int | None:
    """The cap that counts; None where nobody set one."""
    return min(filter(None, caps), default=None)


def total_of(parts: Iterable[Spent]) -> Spent:
    return sum(parts, start=Spent())
