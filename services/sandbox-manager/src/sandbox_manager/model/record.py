"""The parts of a sandbox's record: rights, access, what is installed."""

from datetime import datetime, timedelta

from common.contracts.sandbox import LaunchSkill
from pydantic import BaseModel, ConfigDict

STALE_LOCK = timedelta(minutes=5)


class Record(BaseModel):
    """A frozen part of a stored document."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Right(Record):
    """Whose work a write belongs to: a launch (or a use-lease) and its claim's fencing token."""

    holder: str
    token: int


class CreateLock(Right):
    progressed_at: datetime

    def is_stale(self, now: datetime) -> bool:
        return now - self.progressed_at >= STALE_LOCK


class Resources(Record):
    """What the provider gives a sandbox at the most."""

    cpu: float
    memory_gib: float
    disk_gib: float


class Hold(Right):
    """With `is_alone` no turn begins while it lives."""

    until: datetime
    is_alone: bool = False


class UseLease(Record):
    id: str
    until: datetime
    session_id: str | None = None
    turn_id: str | None = None
    skill: LaunchSkill | None = None


class PreviewAccess(Record):
    """A signed URL, sealed, and when it was minted."""

    sealed_url: str
    minted_at: datetime


class ModelChoice(Record):
    """What the owner chose in settings; the relay calls this for the sandbox that has it."""

    provider: str
    model: str
    base_url: str | None = None


class Variable(Record):
    """A variable that an installed skill declares."""

    name: str
    is_required: bool = False


class Installed(Record):
    skill: LaunchSkill
    variables: tuple[Variable, ...] = ()
    installed_at: datetime
