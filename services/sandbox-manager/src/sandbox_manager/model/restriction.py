"""What an operator forbids: skills (blocked) and who may begin something (drained).

A restriction is known by its key, so that whatever a launch or a turn touches is looked up in one
question.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Self

from common.contracts.operating import RestrictionKind
from common.contracts.sandbox import LaunchSkill
from common.contracts.skills import ResolvedSkill
from common.errors import InvalidError

from sandbox_manager.model.record import Record

BLOCKS = frozenset({RestrictionKind.DIGEST, RestrictionKind.REPOSITORY})
EVERYBODY = "everybody"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REPOSITORY = re.compile(r"[^\s/]+/[^\s/]+")
_GITHUB = re.compile(r"(https?://)?(www\.)?github\.com/", re.IGNORECASE)


class Restriction(Record):
    kind: RestrictionKind
    what: str
    reason: str
    by: str
    at: datetime

    @property
    def key(self) -> str:
        return key_of(self.kind, self.what)

    @property
    def is_block(self) -> bool:
        return self.kind in BLOCKS


class Deed(Record):
    """One line of the audit: what an operator did, written before it takes effect."""

    id: str
    at: datetime
    by: str
    action: str
    what: str
    reason: str


class SkillTarget(Record):
    """A digest or a repository, in the one form that it is compared in."""

    kind: RestrictionKind
    what: str

    @classmethod
    def named(cls, text: str) -> Self:
        """Raises InvalidError for what is neither."""
        if _DIGEST.fullmatch(text.lower()):
            return cls(kind=RestrictionKind.DIGEST, what=text.lower())
        path = _GITHUB.sub("", text).strip("/").removesuffix(".git")
        if not _REPOSITORY.fullmatch(path) or path.startswith("sha256:"):
            message = f"{text!r} is neither a digest (sha256:...) nor a repository (owner/repo)"
            raise InvalidError(message)
        return cls(kind=RestrictionKind.REPOSITORY, what=repository_name(*path.split("/")))

    def covers(self, skill: LaunchSkill) -> bool:
        return key_of(self.kind, self.what) in skill_keys(skill)


def key_of(kind: RestrictionKind, what: str) -> str:
    return f"{kind}:{what}"


def repository_name(owner: str, repo: str) -> str:
    """GitHub knows a repository by any capitals."""
    return f"{owner}/{repo}".lower()


def skill_keys(skill: LaunchSkill | ResolvedSkill) -> tuple[str, str]:
    """What may be blocked of a skill."""
    return (
        key_of(RestrictionKind.DIGEST, skill.digest),
        key_of(RestrictionKind.REPOSITORY, repository_name(skill.owner, skill.repo)),
    )


def owner_keys(owner_id: str | None) -> tuple[str, ...]:
    """What may be drained of an owner; of everybody when none is named."""
    everybody = key_of(RestrictionKind.PLATFORM, EVERYBODY)
    return (everybody, key_of(RestrictionKind.OWNER, owner_id)) if owner_id else (everybody,)


def first_block(found: Iterable[Restriction], skill: LaunchSkill) -> Restriction | None:
    """The one of `found` that this skill falls under."""
    keys = skill_keys(skill)
    return next((one for one in found if one.key in keys), None)
