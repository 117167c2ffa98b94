"""The wire of skill-resolver: from a reference to pinned, content-addressed files and a report."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from common.contracts.base import Message, Request, Rpc

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]


class Verdict(StrEnum):
    """What the safety report asks of a launch: nothing, an acknowledgement, or not to happen."""

    CLEAR = "clear"
    CONFIRM = "confirm"
    BLOCK = "block"


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    DANGER = "danger"
    CRITICAL = "critical"


class Finding(Message):
    """One place worth a look; `line` counts from 1, 0 when it concerns the whole file, and an
    empty `file` the whole skill. `meaning` is what the rule finds, in a sentence.
    """

    rule: str
    meaning: str = ""
    severity: Severity
    file: str
    line: int
    excerpt: str


class SafetyReport(Message):
    verdict: Verdict
    findings: list[Finding] = []


class SkillFile(Message):
    path: str
    size: int
    mode: int
    sha256: str


class EnvVar(Message):
    """A variable a skill asks for; `source` names the declaration it was read from."""

    name: str
    required: bool
    description: str = ""
    help_url: str | None = None
    source: str


class Alternate(Message):
    """Another copy of the same skill in the same repository."""

    path: str
    name: str


class ResolvedSkill(Message):
    """A skill pinned to a commit and to its bytes; `path` is "" for the root of the repository.

    `linked_files` were reached through links inside the repository: they are in the bundle and in
    the digest like any other, and not in `files` and `total_bytes`.
    """

    ref: str
    owner: str
    repo: str
    commit: str
    path: str
    name: str
    description: str
    license: str | None = None
    compatibility: str | None = None
    metadata: dict[str, Any] = {}
    digest: Digest
    files: list[SkillFile]
    linked_files: list[SkillFile] = []
    total_bytes: int
    env_vars: list[EnvVar] = []
    warnings: list[str] = []
    report: SafetyReport
    alternates: list[Alternate] = []
    resolved_at: datetime


class ResolveSkill(Request):
    """`ref` is whatever a user would paste."""

    ref: str = Field(max_length=2000)


class GetSkill(Request):
    """A skill resolved before, by its digest."""

    digest: Digest


class ListRepository(Request):
    owner: str = Field(max_length=100)
    repo: str = Field(max_length=100)
    ref: str | None = Field(default=None, max_length=250)


class SkillSummary(Message):
    """One skill of a repository; `alternates` are the paths of its other copies."""

    ref: str
    path: str
    name: str
    description: str
    alternates: list[str] = []


class RepositorySkills(Message):
    """`skills` are as many as a message carries, `total` is how many there are."""

    owner: str
    repo: str
    commit: str
    skills: list[SkillSummary]
    total: int = 0


class ReadSkillFile(Request):
    digest: Digest
    path: str = Field(max_length=1000)


class SkillFileContent(Message):
    """One file's bytes in base64; `truncated` when the file is larger than what a message carries
    (512 KiB).
    """

    path: str
    size: int
    mode: int
    content_base64: str
    truncated: bool = False


class GetBundle(Request):
    digest: Digest


class Bundle(Message):
    """Where the skill's files lie in the Object Store: an uncompressed tar, paths relative to the
    skill.
    """

    digest: Digest
    bucket: str
    object_name: str
    size: int


RESOLVE = Rpc("rpc.skill-resolver.resolve.v1", ResolveSkill, ResolvedSkill)
GET_SKILL = Rpc("rpc.skill-resolver.get_skill.v1", GetSkill, ResolvedSkill)
LIST_REPOSITORY = Rpc("rpc.skill-resolver.list_repository.v1", ListRepository, RepositorySkills)
READ_SKILL_FILE = Rpc("rpc.skill-resolver.read_file.v1", ReadSkillFile, SkillFileContent)
GET_BUNDLE = Rpc("rpc.skill-resolver.get_bundle.v1", GetBundle, Bundle)

BUNDLE_BUCKET = "skill-bundles"
"""The Object Store bucket of skill bundles; an object's name is the digest's hexadecimal part."""
