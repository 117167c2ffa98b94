"""Sandboxes, snapshots, volumes and signed URLs as they are kept, and what states allow."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, Field

from local_platform.daytona.errors import BadRequestError, ConflictError

ORGANIZATION = "11111111-1111-4111-8111-111111111111"
DEFAULT_AUTO_STOP_MIN = 15
DEFAULT_AUTO_ARCHIVE_MIN = 7 * 24 * 60
MAX_AUTO_ARCHIVE_MIN = 30 * 24 * 60
NEVER = -1


class State(StrEnum):
    CREATING = "creating"
    STARTED = "started"
    STOPPING = "stopping"
    STOPPED = "stopped"
    STARTING = "starting"
    ARCHIVING = "archiving"
    ARCHIVED = "archived"
    RESTORING = "restoring"
    DESTROYING = "destroying"
    DESTROYED = "destroyed"
    ERROR = "error"


CHANGING = frozenset(
    {
        State.CREATING,
        State.STOPPING,
        State.STARTING,
        State.ARCHIVING,
        State.RESTORING,
        State.DESTROYING,
    }
)
STARTABLE = frozenset({State.STOPPED, State.ARCHIVED})


def utc_now() -> datetime:
    return datetime.now(UTC)


class VolumeMount(BaseModel):
    volume_id: str
    mount_path: str
    subpath: str | None = None


class Sandbox(BaseModel):
    id: str
    name: str
    number: int
    snapshot: str
    dockerfile: str | None = None
    user: str = "daytona"
    target: str = "local"
    env: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    volumes: list[VolumeMount] = Field(default_factory=list)
    public: bool = False
    cpu: int
    memory: int
    disk: int
    network_block_all: bool = False
    network_allow_list: str | None = None
    domain_allow_list: str | None = None
    auto_stop: int = DEFAULT_AUTO_STOP_MIN
    auto_pause: int = 0
    auto_archive: int = DEFAULT_AUTO_ARCHIVE_MIN
    auto_delete: int = NEVER
    destroy_at: datetime | None = None
    state: State = State.CREATING
    error_reason: str | None = None
    token: str
    signing_key: str
    created_at: datetime = Field(default_factory=utc_now)
    updated_at: datetime = Field(default_factory=utc_now)
    last_activity_at: datetime = Field(default_factory=utc_now)

    @property
    def is_ephemeral(self) -> bool:
        return self.auto_delete == 0

    def require_settled(self) -> None:
        if self.state in CHANGING:
            msg = "Sandbox state change in progress"
            raise ConflictError(msg)

    def require_startable(self) -> None:
        self.require_settled()
        if self.state == State.ERROR:
            msg = "Sandbox is in an errored state"
            raise BadRequestError(msg)
        if self.state not in STARTABLE:
            msg = "Sandbox is not in a startable state"
            raise BadRequestError(msg)

    def require_stoppable(self) -> None:
        self.require_settled()
        if self.state != State.STARTED:
            msg = "Sandbox is not in a stoppable state"
            raise BadRequestError(msg)

    def require_archivable(self) -> None:
        self.require_settled()
        if self.is_ephemeral:
            msg = "Ephemeral sandboxes cannot be archived"
            raise BadRequestError(msg)
        if self.state != State.STOPPED:
            msg = "Sandbox is not in an archivable state: it must be stopped first"
            raise BadRequestError(msg)

    def moved(self, state: State, now: datetime) -> None:
        """A change of state counts as activity."""
        self.state = state
        self.updated_at = self.last_activity_at = now


class SnapshotState(StrEnum):
    ACTIVE = "active"
    INACTIVE = "inactive"


class Snapshot(BaseModel):
    id: str
    name: str
    image: str | None = None
    dockerfile: str | None = None
    general: bool = False
    entrypoint: list[str] | None = None
    state: SnapshotState = SnapshotState.ACTIVE
    cpu: int
    memory: int
    disk: int
    created_at: datetime = Field(default_factory=utc_now)
    updated_at: datetime = Field(default_factory=utc_now)
    last_used_at: datetime | None = None


class Volume(BaseModel):
    id: str
    name: str
    created_at: datetime = Field(default_factory=utc_now)
    updated_at: datetime = Field(default_factory=utc_now)
    last_used_at: datetime | None = None


class SignedUrl(BaseModel):
    """A token that opens one port of one sandbox until it expires."""

    id: str
    sandbox_id: str
    port: int
    expires_at: datetime

    def is_expired(self, now: datetime) -> bool:
        return now >= self.expires_at


class Due(StrEnum):
    STOP = "stop"
    ARCHIVE = "archive"
    DELETE = "delete"


def due(sandbox: Sandbox, now: datetime) -> Due | None:
    """What the timers ask for now; the time to live is first, because it knows no state."""
    idle = now - sandbox.last_activity_at
    if sandbox.state in CHANGING:
        return None
    if sandbox.destroy_at is not None and now >= sandbox.destroy_at:
        return Due.DELETE
    if sandbox.state == State.STARTED:
        return (
            Due.STOP if sandbox.auto_stop and idle > timedelta(minutes=sandbox.auto_stop) else None
        )
    if sandbox.auto_delete > 0 and idle > timedelta(minutes=sandbox.auto_delete):
        return Due.DELETE
    archive = timedelta(minutes=sandbox.auto_archive or MAX_AUTO_ARCHIVE_MIN)
    return Due.ARCHIVE if sandbox.state == State.STOPPED and idle > archive else None
