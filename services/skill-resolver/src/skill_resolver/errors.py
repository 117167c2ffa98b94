"""Why a reference does not become a skill.

InvalidError        ├── SourceMalformedError     not a reference at all
                    ├── SourceUnsupportedError   a source that is not read here
                    └── SkillUnreadableError     found, but its bytes cannot be made sense of
TooLargeError       └── SkillTooLargeError
                        └── ArchiveTooLargeError with `commit`: another way to its files is open
NotFoundError       ├── RepositoryNotFoundError
                    └── SkillNotFoundError       with `candidates`
                        └── RefNotFoundError     the repository is there, the branch is not
ConflictError       └── SkillAmbiguousError      with `candidates`
RateLimitedError    └── SourceRateLimitedError   with `retry_at`
UnavailableError    └── SourceUnavailableError
                        └── SourceSlowError      it may answer to another question in time
"""

from collections.abc import Mapping, Sequence
from typing import Any

from common.errors import (
    ConflictError,
    ErrorCode,
    InvalidError,
    NotFoundError,
    RateLimitedError,
    TooLargeError,
    UnavailableError,
)

Candidates = Sequence[Mapping[str, Any]]


class SourceMalformedError(InvalidError):
    default_code = ErrorCode.SOURCE_MALFORMED


class SourceUnsupportedError(InvalidError):
    default_code = ErrorCode.SOURCE_UNSUPPORTED


class SkillUnreadableError(InvalidError):
    default_code = ErrorCode.SKILL_UNREADABLE


class SkillTooLargeError(TooLargeError):
    default_code = ErrorCode.SKILL_TOO_LARGE


class ArchiveTooLargeError(SkillTooLargeError):
    """The archive of a whole repository, which names its `commit`, takes too long or too much."""

    def __init__(self, detail: str, commit: str) -> None:
        super().__init__(detail)
        self.commit = commit


class RepositoryNotFoundError(NotFoundError):
    default_code = ErrorCode.REPOSITORY_NOT_FOUND


class SkillNotFoundError(NotFoundError):
    """Nothing matches; `candidates` are close names, never a choice made for the user."""

    default_code = ErrorCode.SKILL_NOT_FOUND

    def __init__(self, detail: str, candidates: Candidates = ()) -> None:
        super().__init__(detail, extra={"candidates": list(candidates)})


class RefNotFoundError(SkillNotFoundError):
    """The repository is there, and has no such branch, tag or commit."""


class SkillAmbiguousError(ConflictError):
    default_code = ErrorCode.SKILL_AMBIGUOUS

    def __init__(self, detail: str, candidates: Candidates = ()) -> None:
        super().__init__(detail, extra={"candidates": list(candidates)})


class SourceRateLimitedError(RateLimitedError):
    default_code = ErrorCode.SOURCE_RATE_LIMITED


class SourceUnavailableError(UnavailableError):
    default_code = ErrorCode.SOURCE_UNAVAILABLE


class SourceSlowError(SourceUnavailableError):
    """The answer did not begin, or not come to its end, in time."""
