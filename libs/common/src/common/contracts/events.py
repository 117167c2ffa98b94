"""Events for other teams: CloudEvents 1.0 in JSON on `evt.<entity>.<past-tense>.v<n>`.

An event tells facts by id; never a secret, never the text of a message. Delivered at least once,
`id` removes doubles. What is promised beyond that: docs/events.md.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from common.contracts.base import Message, OwnerId
from common.ids import new_id
from common.telemetry.tracing import TRACEPARENT, current_trace

DataT = TypeVar("DataT", bound=Message)


class EventData(Message):
    """The `data` of an event; every event names the owner it concerns."""

    owner_id: OwnerId


STREAM = "EVENTS"
RETENTION = timedelta(days=7)
"""How long the stream keeps an event, and the archive that it can be told from again."""

DUPLICATE_WINDOW = timedelta(minutes=10)
"""Within it the stream itself drops an event that it has."""

CONTENT_TYPE = "application/cloudevents+json"
"""Says on the wire that the whole body is a CloudEvent (structured mode)."""


class OutgoingEvent(BaseModel):
    """An event waiting in an outbox: `body` is the whole CloudEvent."""

    model_config = ConfigDict(frozen=True)

    id: str
    subject: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Event(Generic[DataT]):
    """One type of event: its subject, the service that emits it, the schema of its data, and when
    it is told. `entity` is what the CloudEvents `subject` names: what happened to one entity is
    told in order.
    """

    subject: str
    service: str
    data: type[DataT]
    entity: str
    told: str

    @property
    def type(self) -> str:
        """The CloudEvents type: the subject without its `evt.` prefix."""
        return self.subject.removeprefix("evt.")

    @property
    def source(self) -> str:
        return f"/tryskills/{self.service}"

    @property
    def schema_id(self) -> str:
        """The absolute URI that CloudEvents wants in `dataschema`; the schema carries it too."""
        return f"urn:tryskills:schema:{self.type}"

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of its data, as it is published."""
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": self.schema_id,
            **self.data.model_json_schema(),
        }

    def of(self, data: DataT, *, entity_id: str, at: datetime) -> OutgoingEvent:
        """The event to store with its cause."""
        event_id, trace = new_id("evt"), current_trace()
        body = {
            "specversion": "1.0",
            "id": event_id,
            "source": self.source,
            "type": self.type,
            "subject": entity_id,
            "time": _time(at),
            "datacontenttype": "application/json",
            "dataschema": self.schema_id,
            "data": data.model_dump(mode="json"),
            # CloudEvents' extension for distributed tracing.
            **({TRACEPARENT: trace} if trace else {}),
        }
        return OutgoingEvent(id=event_id, subject=self.subject, body=body)


def _time(at: datetime) -> str:
    """Always as long, so that times compare as text."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


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


OWNER_CREATED = Event(
    "evt.owner.created.v1",
    "keys",
    OwnerCreated,
    entity="the owner's id",
    told="somebody was seen for the first time and got an owner id",
)
OWNER_ERASED = Event(
    "evt.owner.erased.v1",
    "keys",
    OwnerErased,
    entity="the owner's id",
    told="an owner had everything erased: whoever keeps something of theirs deletes it",
)
SECRET_PUT = Event(
    "evt.secret.put.v1",
    "keys",
    SecretChanged,
    entity="the secret's name",
    told="an owner entered a value, or another one",
)
SECRET_DELETED = Event(
    "evt.secret.deleted.v1",
    "keys",
    SecretChanged,
    entity="the secret's name",
    told="an owner took a value away",
)
SECRET_REVEALED = Event(
    "evt.secret.revealed.v1",
    "keys",
    SecretRevealed,
    entity="the audit line's id",
    told="a service was given a value, and what for",
)
SANDBOX_CREATED = Event(
    "evt.sandbox.created.v1",
    "sandbox-manager",
    SandboxChanged,
    entity="the sandbox's id",
    told="a sandbox was made and runs",
)
SANDBOX_STARTED = Event(
    "evt.sandbox.started.v1",
    "sandbox-manager",
    SandboxChanged,
    entity="the sandbox's id",
    told="a sandbox that was stopped runs again",
)
SANDBOX_STOPPED = Event(
    "evt.sandbox.stopped.v1",
    "sandbox-manager",
    SandboxChanged,
    entity="the sandbox's id",
    told="a sandbox was stopped; its disk stays",
)
SANDBOX_DELETED = Event(
    "evt.sandbox.deleted.v1",
    "sandbox-manager",
    SandboxChanged,
    entity="the sandbox's id",
    told="a sandbox is gone, and its disk with it",
)
LAUNCH_REQUESTED = Event(
    "evt.launch.requested.v1",
    "sandbox-manager",
    LaunchChanged,
    entity="the launch's id",
    told="a launch passed the gate and began",
)
LAUNCH_ENDED = Event(
    "evt.launch.ended.v1",
    "sandbox-manager",
    LaunchChanged,
    entity="the launch's id",
    told="a launch is ready, failed (`code` says why) or cancelled",
)
TRIAL_RECORDED = Event(
    "evt.trial.recorded.v1",
    "sandbox-manager",
    TrialRecorded,
    entity="the trial's id",
    told="a launch that ended went into its owner's history",
)
SESSION_CREATED = Event(
    "evt.session.created.v1",
    "chat-proxy",
    SessionChanged,
    entity="the session's id",
    told="a conversation was opened",
)
SESSION_DELETED = Event(
    "evt.session.deleted.v1",
    "chat-proxy",
    SessionChanged,
    entity="the session's id",
    told="its owner deleted a conversation",
)
TURN_STARTED = Event(
    "evt.turn.started.v1",
    "chat-proxy",
    TurnChanged,
    entity="the turn's id",
    told="a message was accepted, and its answer begins",
)
TURN_ENDED = Event(
    "evt.turn.ended.v1",
    "chat-proxy",
    TurnChanged,
    entity="the turn's id",
    told="an answer is complete, was stopped, or failed (`code` says why)",
)
APPROVAL_REQUESTED = Event(
    "evt.approval.requested.v1",
    "chat-proxy",
    ApprovalChanged,
    entity="the approval's id",
    told="the agent asked before a command, and waits",
)
APPROVAL_RESOLVED = Event(
    "evt.approval.resolved.v1",
    "chat-proxy",
    ApprovalChanged,
    entity="the approval's id",
    told="an approval was given, denied, or ran out",
)
SKILL_RESOLVED = Event(
    "evt.skill.resolved.v1",
    "skill-resolver",
    SkillResolved,
    entity="the skill's digest",
    told="a version of a skill was looked at for the first time, and this is the verdict",
)

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
