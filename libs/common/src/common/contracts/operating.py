"""The wire of the operator's command line, served by sandbox-manager: look, block, drain.

Only the bus' user `operator` may call these. `by` is who says that they did it: it goes into the
audit and is not verified.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from common.contracts.base import Empty, Message, OwnerId, Request, Rpc
from common.contracts.sandbox import SandboxState

Who = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]
SkillName = Annotated[str, StringConstraints(min_length=3, max_length=300, strip_whitespace=True)]
"""A digest, `sha256:` and 64 hexadecimal digits, or a repository, `owner/repo`."""

MOST_FINDINGS = 500


class ListSandboxes(Request):
    """In the order of owners, from the one after `after`; `skill` as in `BlockSkill`."""

    state: SandboxState | None = None
    owner_id: OwnerId | None = None
    skill: SkillName | None = None
    after: str = ""
    limit: int = Field(default=200, ge=1, le=500)


class SandboxLine(Message):
    """`is_own`: in its owner's account at the provider. `in_use`: turns and raw calls."""

    owner_id: OwnerId
    state: SandboxState
    sandbox_id: str | None
    is_own: bool
    skills: list[str]
    in_use: int
    created_at: datetime | None
    last_used_at: datetime | None


class SandboxLines(Message):
    """`after` continues the list where there is more."""

    sandboxes: list[SandboxLine]
    after: str | None = None


class GetBalance(Request):
    """Compares records and provider, and changes nothing; some seconds for a thousand."""


class BalanceFinding(Message):
    remedy: str
    owner_id: str
    sandbox_id: str
    detail: str


class BalanceNow(Message):
    """`billed = recorded + explained + unexplained`; findings up to 500."""

    billed: int
    recorded: int
    explained: int
    unexplained: int
    findings: list[BalanceFinding]


class RestrictionKind(StrEnum):
    """What is restricted: one version of a skill, everything of a repository (both are blocked),
    one owner, or everybody (both are drained).
    """

    DIGEST = "digest"
    REPOSITORY = "repository"
    OWNER = "owner"
    PLATFORM = "platform"


class Restriction(Message):
    kind: RestrictionKind
    what: str
    reason: str
    by: str
    at: datetime


class Restrictions(Message):
    restrictions: list[Restriction]


class ListRestrictions(Request):
    pass


class BlockSkill(Request):
    """From the answer on nothing of it is launched or goes on; blocked twice is not an error."""

    skill: SkillName
    reason: Reason
    by: Who


class UnblockSkill(Request):
    skill: SkillName
    reason: Reason
    by: Who


class Drain(Request):
    """Nothing new of this owner, or of anybody: no launch, no turn. What runs goes on."""

    owner_id: OwnerId | None = None
    reason: Reason
    by: Who


class Resume(Request):
    owner_id: OwnerId | None = None
    reason: Reason
    by: Who


class GetActivity(Request):
    """Of this owner, or of everybody."""

    owner_id: OwnerId | None = None


class Activity(Message):
    """What still runs: `turns` are use-leases, an approval that waits holds one too."""

    is_drained: bool
    launches: int
    turns: int


class ListAudit(Request):
    limit: int = Field(default=100, ge=1, le=500)


class AuditLine(Message):
    at: datetime
    by: str
    action: str
    what: str
    reason: str


class Audit(Message):
    """Newest first."""

    lines: list[AuditLine]


LIST_SANDBOXES = Rpc("rpc.sandbox-manager.list_sandboxes.v1", ListSandboxes, SandboxLines)
GET_BALANCE = Rpc("rpc.sandbox-manager.get_balance.v1", GetBalance, BalanceNow)
LIST_RESTRICTIONS = Rpc("rpc.sandbox-manager.list_restrictions.v1", ListRestrictions, Restrictions)
BLOCK_SKILL = Rpc("rpc.sandbox-manager.block_skill.v1", BlockSkill, Restriction)
UNBLOCK_SKILL = Rpc("rpc.sandbox-manager.unblock_skill.v1", UnblockSkill, Empty)
DRAIN = Rpc("rpc.sandbox-manager.drain.v1", Drain, Restriction)
RESUME = Rpc("rpc.sandbox-manager.resume.v1", Resume, Empty)
GET_ACTIVITY = Rpc("rpc.sandbox-manager.get_activity.v1", GetActivity, Activity)
LIST_AUDIT = Rpc("rpc.sandbox-manager.list_audit.v1", ListAudit, Audit)
