"""Events for other teams: CloudEvents 1.0 in JSON on `evt.<entity>.<past-tense>.v<n>`.

An event tells facts by id; never a secret, never the text of a message. Delivered at least once,
`id` removes doubles.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from common.contracts.base import Message, OwnerId
from common.ids import new_id
from common.telemetry.tracing import TRACEPARENT, current_trace

DataT = TypeVar("DataT", bound=Message)


class EventData(Message):
    """The `data` of an event; every event names the owner it concerns."""

    owner_id: OwnerId


class OutgoingEvent(BaseModel):
    """An event waiting in an outbox: `body` is the whole CloudEvent."""

    model_config = ConfigDict(frozen=True)

    id: str
    subject: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Event(Generic[DataT]):
    """One type of event: its subject, the service that emits it, the schema of its data."""

    subject: str
    service: str
    data: type[DataT]

    @property
    def type(self) -> str:
        """The CloudEvents type: the subject without its `evt.` prefix."""
        return self.subject.removeprefix("evt.")

    def of(self, data: DataT, *, entity_id: str, at: datetime) -> OutgoingEvent:
        """The event to store with its cause."""
        event_id, trace = new_id("evt"), current_trace()
        body = {
            "specversion": "1.0",
            "id": event_id,
            "source": f"/tryskills/{self.service}",
            "type": self.type,
            "subject": entity_id,
            "time": at.isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "dataschema": f"/schemas/{self.type}.json",
            "data": data.model_dump(mode="json"),
            # CloudEvents' extension for distributed tracing.
            **({TRACEPARENT: trace} if trace else {}),
        }
        return OutgoingEvent(id=event_id, subject=self.subject, body=body)


class OwnerCreated(EventData):
    pass


class OwnerErased(EventData):
    """Whoever keeps something of this owner deletes it."""


class SecretChanged(EventData):
    name: str
    skill: str | None = None
    version: int


class SecretRevealed(SecretChanged):
    purpose: str


class SkillResolved(Message):
    """No owner: a resolution is shared by all."""

    owner: str
    repo: str
    commit: str
    path: str
    digest: str
    verdict: str


class SandboxChanged(EventData):
    sandbox_id: str
    state: str
    reason: str = ""


class LaunchChanged(EventData):
    launch_id: str
    state: str
    path: str | None = None
    skill: str
    commit: str
    digest: str
    code: str | None = None
    duration_ms: int | None = None


class TrialRecorded(LaunchChanged):
    trial_id: str


class SessionChanged(EventData):
    session_id: str
    skill: str
    digest: str


class TurnChanged(EventData):
    session_id: str
    turn_id: str
    state: str
    code: str | None = None
    total_tokens: int | None = None


class ApprovalChanged(EventData):
    session_id: str
    turn_id: str
    approval_id: str
    state: str
    choice: str | None = None


OWNER_CREATED = Event("evt.owner.created.v1", "keys", OwnerCreated)
OWNER_ERASED = Event("evt.owner.erased.v1", "keys", OwnerErased)
SECRET_PUT = Event("evt.secret.put.v1", "keys", SecretChanged)
SECRET_DELETED = Event("evt.secret.deleted.v1", "keys", SecretChanged)
SECRET_REVEALED = Event("evt.secret.revealed.v1", "keys", SecretRevealed)
SANDBOX_CREATED = Event("evt.sandbox.created.v1", "sandbox-manager", SandboxChanged)
SANDBOX_STARTED = Event("evt.sandbox.started.v1", "sandbox-manager", SandboxChanged)
SANDBOX_STOPPED = Event("evt.sandbox.stopped.v1", "sandbox-manager", SandboxChanged)
SANDBOX_DELETED = Event("evt.sandbox.deleted.v1", "sandbox-manager", SandboxChanged)
LAUNCH_REQUESTED = Event("evt.launch.requested.v1", "sandbox-manager", LaunchChanged)
LAUNCH_ENDED = Event("evt.launch.ended.v1", "sandbox-manager", LaunchChanged)
TRIAL_RECORDED = Event("evt.trial.recorded.v1", "sandbox-manager", TrialRecorded)
SESSION_CREATED = Event("evt.session.created.v1", "chat-proxy", SessionChanged)
SESSION_DELETED = Event("evt.session.deleted.v1", "chat-proxy", SessionChanged)
TURN_STARTED = Event("evt.turn.started.v1", "chat-proxy", TurnChanged)
TURN_ENDED = Event("evt.turn.ended.v1", "chat-proxy", TurnChanged)
APPROVAL_REQUESTED = Event("evt.approval.requested.v1", "chat-proxy", ApprovalChanged)
APPROVAL_RESOLVED = Event("evt.approval.resolved.v1", "chat-proxy", ApprovalChanged)
SKILL_RESOLVED = Event("evt.skill.resolved.v1", "skill-resolver", SkillResolved)

EVERY_EVENT = "evt.>"
"""The subjects of all events."""

EVENTS: tuple[Event[Any], ...] = (
    OWNER_CREATED,
    OWNER_ERASED,
    SECRET_PUT,
    SECRET_DELETED,
    SECRET_REVEALED,
    SANDBOX_CREATED,
    SANDBOX_STARTED,
    SANDBOX_STOPPED,
    SANDBOX_DELETED,
    LAUNCH_REQUESTED,
    LAUNCH_ENDED,
    TRIAL_RECORDED,
    SESSION_CREATED,
    SESSION_DELETED,
    TURN_STARTED,
    TURN_ENDED,
    APPROVAL_REQUESTED,
    APPROVAL_RESOLVED,
    SKILL_RESOLVED,
)
