"""The wire of sandbox-manager: launches, the owner's sandbox, the agent's endpoint, trials."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from common.contracts.base import Empty, Erased, Message, OwnerId, Request, Rpc, WireSecret
from common.contracts.resources import Resources
from common.contracts.skills import Digest
from common.errors import ErrorCode

LaunchId = Annotated[str, StringConstraints(pattern=r"^lau_[a-z0-9]{20}$")]


class SandboxState(StrEnum):
    """The pool states of an owner's sandbox."""

    ABSENT = "absent"
    CREATING = "creating"
    ACTIVE = "active"
    STOPPED = "stopped"
    DELETING = "deleting"


class LaunchPath(StrEnum):
    """How a skill becomes ready: nothing to do, files to put, or a sandbox to make."""

    INSTANT = "instant"
    INSTALL = "install"
    CREATE = "create"


class LaunchState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"


class PhaseName(StrEnum):
    """The steps of a launch that a person sees."""

    WAIT = "wait"
    CREATE = "create"
    WAKE = "wake"
    CONFIGURE = "configure"
    UPLOAD = "upload"
    VERIFY = "verify"
    AGENT = "agent"
    ENDPOINT = "endpoint"


class PhaseState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Failure(Message):
    """Why something ended badly, for a person (`detail`) and a program (`code`).

    `link` is where the person can do something about it: a path of this platform, or a provider's
    page.
    """

    code: ErrorCode
    detail: str
    retry_at: datetime | None = None
    link: str | None = None


class LaunchSkill(Message):
    """The skill a launch is for; `directory` is its own one under the sandbox's skills root."""

    ref: str
    owner: str
    repo: str
    commit: str
    path: str
    name: str
    digest: Digest
    directory: str


class Phase(Message):
    name: PhaseName
    state: PhaseState
    started_at: datetime
    ended_at: datetime | None = None
    detail: str = ""


class Launch(Message):
    id: LaunchId
    ref: str
    path: LaunchPath | None
    state: LaunchState
    phases: list[Phase]
    skill: LaunchSkill
    error: Failure | None = None
    created_at: datetime
    ended_at: datetime | None = None


class StartLaunch(Request):
    """Launch what `ref` means now, or exactly `digest`; `report_ack` repeats the digest whose
    report was accepted.
    """

    owner_id: OwnerId
    ref: str = Field(max_length=2000)
    digest: Digest | None = None
    report_ack: Digest | None = None
    idempotency_key: str | None = Field(default=None, max_length=200)


class GetLaunch(Request):
    owner_id: OwnerId
    launch_id: str


class CancelLaunch(Request):
    owner_id: OwnerId
    launch_id: str


class LaunchStarted(Message):
    type: Literal["launch.started"] = "launch.started"
    seq: int
    at: datetime
    path: LaunchPath | None
    skill: LaunchSkill


class LaunchPlanned(Message):
    """The path was chosen, or changed: an instant launch whose agent does not answer goes on as an
    install.
    """

    type: Literal["launch.planned"] = "launch.planned"
    seq: int
    at: datetime
    path: LaunchPath
    reason: str = ""


class PhaseStarted(Message):
    type: Literal["phase.started"] = "phase.started"
    seq: int
    at: datetime
    phase: PhaseName


class PhaseCompleted(Message):
    type: Literal["phase.completed"] = "phase.completed"
    seq: int
    at: datetime
    phase: PhaseName
    duration_ms: int
    detail: str = ""


class PhaseFailed(Message):
    type: Literal["phase.failed"] = "phase.failed"
    seq: int
    at: datetime
    phase: PhaseName
    detail: str


class LaunchNotice(Message):
    type: Literal["notice"] = "notice"
    seq: int
    at: datetime
    text: str


class LaunchEnded(Message):
    type: Literal["launch.ended"] = "launch.ended"
    seq: int
    at: datetime
    state: LaunchState
    path: LaunchPath | None
    error: Failure | None = None


LaunchEntry = Annotated[
    LaunchStarted
    | LaunchPlanned
    | PhaseStarted
    | PhaseCompleted
    | PhaseFailed
    | LaunchNotice
    | LaunchEnded,
    Field(discriminator="type"),
]
"""One numbered entry of `journal.launch.<id>`; numbers start at 1 and have no gaps."""


class GetLaunchEntries(Request):
    owner_id: OwnerId
    launch_id: str
    after: int = 0


class LaunchEntries(Message):
    entries: list[LaunchEntry]
    ended: bool


class Receipt(Message):
    """What exactly a launch put where: enough to repeat it.

    `signature` (Ed25519, base64) is over the JSON of all other fields, keys sorted, without
    spaces; `signed_by` is the deployment's public key. `variables` are names, never values.
    """

    launch_id: LaunchId
    skill: LaunchSkill
    path: LaunchPath
    sandbox_id: str
    image: str
    agent: str
    provider: str
    model: str
    verified_at: datetime
    config_hash: str = ""
    variables: list[str] = []
    report_digest: str = ""
    signed_by: str = ""
    signature: str = ""


class GetReceiptKey(Request):
    """The key that this deployment signs receipts with."""


class ReceiptKey(Message):
    """Ed25519, base64: what `signed_by` says on every genuine receipt of this deployment."""

    algorithm: Literal["ed25519"] = "ed25519"
    public_key: str


class InstalledSkill(Message):
    skill: LaunchSkill
    installed_at: datetime


class Retention(Message):
    """Minutes of idleness until the provider itself stops, archives and deletes the sandbox."""

    stop_minutes: int
    archive_minutes: int
    delete_minutes: int


class Sandbox(Message):
    """An owner's sandbox as its owner sees it."""

    state: SandboxState
    sandbox_id: str | None = None
    image: str | None = None
    resources: Resources | None = None
    created_at: datetime | None = None
    last_heartbeat: datetime | None = None
    skills: list[InstalledSkill] = []
    in_use: int = 0
    launch_id: str | None = None
    retention: Retention
    isolation: str = "sandbox"


class OwnerRequest(Request):
    owner_id: OwnerId


class RemoveSkill(Request):
    """`skill`: the path it is known by, `owner/repo/path`, or its directory in the sandbox."""

    owner_id: OwnerId
    skill: str = Field(max_length=400)


class Trial(Message):
    """One launch of one skill, as history."""

    id: str
    launch_id: LaunchId
    skill: LaunchSkill
    path: LaunchPath | None
    state: LaunchState
    duration_ms: int | None
    error: Failure | None = None
    created_at: datetime


class TrialList(Message):
    trials: list[Trial]


class AcquireAgent(Request):
    """Ask for the agent and for the right that the sandbox stays as it is while `turn_id` runs.

    The skill's digest is verified on the sandbox's disk before a session's first turn (`verify`).
    A turn that had the agent before `goes_on`: a drain lets it come to its end.
    """

    owner_id: OwnerId
    session_id: str
    turn_id: str
    skill_directory: str
    digest: Digest
    verify: bool = False
    goes_on: bool = False


class AgentEndpoint(Message):
    """How to reach the owner's agent, valid while the use-lease is renewed.

    `notices` is what the user should know about this turn.

    `url` is the signed preview URL of `hermes serve` (its host carries a token: never log it),
    `token` the agent's own. `secrets` are the values in the agent's environment, by name: whoever
    passes on what it says hides them.
    """

    use_lease_id: str
    expires_at: datetime
    sandbox_id: str
    url: WireSecret
    headers: dict[str, WireSecret] = {}
    token: WireSecret
    secrets: dict[str, WireSecret] = {}
    workspace: str
    skill_directory: str
    provider: str
    model: str
    notices: list[str] = []


class RenewUse(Request):
    owner_id: OwnerId
    use_lease_id: str


class UseLease(Message):
    use_lease_id: str
    expires_at: datetime


class ReleaseUse(Request):
    owner_id: OwnerId
    use_lease_id: str


class AuthorizeRelay(Request):
    """Whose sandbox holds the relay token with this SHA-256 (hexadecimal)?"""

    token_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class RelayGrant(Message):
    """The sandbox, and what its agent was last told to call: a change of settings reaches it with
    the next turn, never in the middle of one. None: nothing was written yet. `in_use` is how many
    use-leases it has: its running turns and raw calls.
    """

    owner_id: OwnerId
    sandbox_id: str
    provider: str | None = None
    model: str | None = None
    base_url: str | None = None
    in_use: int = 0


class AcquireRawAgent(Request):
    """The raw proxy's use-lease on Hermes' API server (port 8642)."""

    owner_id: OwnerId


class RawAgentEndpoint(Message):
    use_lease_id: str
    expires_at: datetime
    url: WireSecret
    headers: dict[str, WireSecret] = {}
    token: WireSecret


WorkspaceName = Annotated[str, StringConstraints(pattern=r"^ses_[a-z0-9]{20}$")]
"""A session's id names its directory; whose session it is, its sandbox says."""

FilePath = Annotated[str, StringConstraints(max_length=1000)]
"""Relative to the workspace, parts joined by `/`; "" is the workspace itself."""


class FileEntry(Message):
    """`size` is 0 for a directory; what is neither file nor directory is not listed."""

    path: str
    is_directory: bool
    size: int
    modified_at: datetime


class ListFiles(Request):
    """A directory of a session's workspace, three levels deep."""

    owner_id: OwnerId
    session_id: WorkspaceName
    path: FilePath = ""


class FileList(Message):
    """Sorted by path; `is_cut` when there are more than 500."""

    entries: list[FileEntry]
    is_cut: bool = False


class ReadFile(Request):
    owner_id: OwnerId
    session_id: WorkspaceName
    path: FilePath


class StoredBody(Message):
    """A body in the transfer bucket, fetched once and deleted by whoever asked for it."""

    bucket: str
    object_name: str
    size: int


class FileContent(Message):
    """Text up to 512 KiB, an image up to 2 MiB; `media_type` is judged by the bytes, never by the
    name.
    """

    path: str
    media_type: str
    body: StoredBody


class WriteFile(Request):
    """Put `object_name` of the transfer bucket (at most 4 MiB) there; it is deleted afterwards."""

    owner_id: OwnerId
    session_id: WorkspaceName
    path: FilePath
    object_name: str = Field(max_length=200)


class ArchiveFiles(Request):
    """The whole workspace as a zip."""

    owner_id: OwnerId
    session_id: WorkspaceName


START_LAUNCH = Rpc("rpc.sandbox-manager.start_launch.v1", StartLaunch, Launch)
GET_LAUNCH = Rpc("rpc.sandbox-manager.get_launch.v1", GetLaunch, Launch)
CANCEL_LAUNCH = Rpc("rpc.sandbox-manager.cancel_launch.v1", CancelLaunch, Launch)
GET_LAUNCH_ENTRIES = Rpc(
    "rpc.sandbox-manager.get_launch_entries.v1", GetLaunchEntries, LaunchEntries
)
GET_RECEIPT = Rpc("rpc.sandbox-manager.get_receipt.v1", GetLaunch, Receipt)
GET_RECEIPT_KEY = Rpc("rpc.sandbox-manager.get_receipt_key.v1", GetReceiptKey, ReceiptKey)
GET_SANDBOX = Rpc("rpc.sandbox-manager.get_sandbox.v1", OwnerRequest, Sandbox)
HEARTBEAT = Rpc("rpc.sandbox-manager.heartbeat.v1", OwnerRequest, Sandbox)
STOP_SANDBOX = Rpc("rpc.sandbox-manager.stop_sandbox.v1", OwnerRequest, Sandbox)
DELETE_SANDBOX = Rpc("rpc.sandbox-manager.delete_sandbox.v1", OwnerRequest, Sandbox)
REMOVE_SKILL = Rpc("rpc.sandbox-manager.remove_skill.v1", RemoveSkill, Sandbox)
LIST_TRIALS = Rpc("rpc.sandbox-manager.list_trials.v1", OwnerRequest, TrialList)
ERASE_SANDBOX = Rpc("rpc.sandbox-manager.erase_owner.v1", OwnerRequest, Erased)
ACQUIRE_AGENT = Rpc("rpc.sandbox-manager.acquire_agent.v1", AcquireAgent, AgentEndpoint)
ACQUIRE_RAW_AGENT = Rpc(
    "rpc.sandbox-manager.acquire_raw_agent.v1", AcquireRawAgent, RawAgentEndpoint
)
USE_RENEWAL = timedelta(seconds=20)
RENEW_USE = Rpc("rpc.sandbox-manager.renew_use.v1", RenewUse, UseLease)
RELEASE_USE = Rpc("rpc.sandbox-manager.release_use.v1", ReleaseUse, Empty)
AUTHORIZE_RELAY = Rpc("rpc.sandbox-manager.authorize_relay.v1", AuthorizeRelay, RelayGrant)
LIST_FILES = Rpc("rpc.sandbox-manager.list_files.v1", ListFiles, FileList)
READ_FILE = Rpc("rpc.sandbox-manager.read_file.v1", ReadFile, FileContent)
WRITE_FILE = Rpc("rpc.sandbox-manager.write_file.v1", WriteFile, FileEntry)
ARCHIVE_FILES = Rpc("rpc.sandbox-manager.archive_files.v1", ArchiveFiles, StoredBody)

TRANSFER_BUCKET = "transfer"
"""The Object Store bucket of bodies on their way; they are gone after ten minutes."""


def launch_journal(launch_id: str) -> str:
    """The subject of a launch's numbered entries."""
    return f"journal.launch.{launch_id}"
