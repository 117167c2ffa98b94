"""The errors that travel between services.

    AppError
    ├── InvalidError            the request can never succeed as it is
    │   └── TooLargeError       ... because of its size
    ├── UnauthenticatedError    nobody, or nobody we can verify
    ├── ForbiddenError          somebody who may not
    ├── NotFoundError           no such thing, or not the caller's
    ├── ConflictError           the thing is in another state than the request needs
    │   └── StaleFenceError     another worker holds the claim now
    ├── GoneError               it was there and has ended
    ├── RateLimitedError        too many; `retry_at` says when to come back
    ├── UnavailableError        a dependency does not answer; the same request may succeed later
    └── InternalError           a bug; its text never leaves the process

A class says what the caller can do, its `code` says why. A code belongs to one class (`CLASS_OF`),
so the error that a caller raises after an RPC is of the class that the server raised.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar


class ErrorCode(StrEnum):
    """Every reason that crosses a service boundary or reaches a user."""

    INVALID_REQUEST = "invalid_request"
    INVALID_REFERENCE = "invalid_reference"
    SOURCE_UNSUPPORTED = "source_unsupported"
    SOURCE_MALFORMED = "source_malformed"
    SKILL_UNREADABLE = "skill_unreadable"
    SKILL_TOO_LARGE = "skill_too_large"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    VARIABLE_REFUSED = "variable_refused"
    PATH_REFUSED = "path_refused"

    UNAUTHENTICATED = "unauthenticated"
    TOKEN_EXPIRED = "token_expired"
    TOKEN_INVALID = "token_invalid"
    TOKEN_NOT_YET_VALID = "token_not_yet_valid"
    FORBIDDEN = "forbidden"
    CSRF = "csrf"
    SKILL_BLOCKED = "skill_blocked"
    FOREIGN_ENDPOINT = "foreign_endpoint"
    HOST_REFUSED = "host_refused"
    ACCOUNT_REFUSED = "account_refused"
    RELAY_UNREACHABLE = "relay_unreachable"

    NOT_FOUND = "not_found"
    SKILL_NOT_FOUND = "skill_not_found"
    REPOSITORY_NOT_FOUND = "repository_not_found"
    LAUNCH_NOT_FOUND = "launch_not_found"
    SANDBOX_NOT_FOUND = "sandbox_not_found"
    SESSION_NOT_FOUND = "session_not_found"
    TURN_NOT_FOUND = "turn_not_found"
    APPROVAL_NOT_FOUND = "approval_not_found"
    SECRET_NOT_FOUND = "secret_not_found"
    FILE_NOT_FOUND = "file_not_found"
    SHARE_NOT_FOUND = "share_not_found"

    CONFLICT = "conflict"
    STALE_FENCE = "stale_fence"
    INVALID_TRANSITION = "invalid_transition"
    SKILL_AMBIGUOUS = "skill_ambiguous"
    REPORT_NOT_ACKNOWLEDGED = "report_not_acknowledged"
    SANDBOX_IN_USE = "sandbox_in_use"
    SANDBOX_BUSY = "sandbox_busy"
    TURN_RUNNING = "turn_running"
    APPROVAL_DECIDED = "approval_decided"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    LAUNCH_NOT_READY = "launch_not_ready"

    GONE = "gone"
    APPROVAL_EXPIRED = "approval_expired"
    SHARE_ENDED = "share_ended"

    RATE_LIMITED = "rate_limited"
    SOURCE_RATE_LIMITED = "source_rate_limited"
    QUOTA_EXCEEDED = "quota_exceeded"
    SLOW_VIEWER = "slow_viewer"

    UNAVAILABLE = "unavailable"
    DRAINING = "draining"
    SOURCE_UNAVAILABLE = "source_unavailable"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    SANDBOX_UNAVAILABLE = "sandbox_unavailable"
    SANDBOX_CREATE_FAILED = "sandbox_create_failed"
    INSTALL_FAILED = "install_failed"
    AGENT_LOST = "agent_lost"
    AGENT_ERROR = "agent_error"
    EMPTY_ANSWER = "empty_answer"
    PROVIDER_AUTH = "provider_auth"
    PROVIDER_CREDIT = "provider_credit"
    PROVIDER_RATE_LIMIT = "provider_rate_limit"
    PROVIDER_ERROR = "provider_error"
    CREATE_LOCK_STALE = "create_lock_stale"
    CANCELLED = "cancelled"

    INTERNAL = "internal"


class AppError(Exception):
    """The base of every error that a caller may see.

    `detail` is a sentence for a person and never holds a secret; `extra` holds facts for a
    program, such as `candidates`.
    """

    default_code: ClassVar[ErrorCode] = ErrorCode.INTERNAL

    def __init__(
        self,
        detail: str,
        *,
        code: ErrorCode | None = None,
        retry_at: datetime | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.default_code
        self.retry_at = retry_at
        self.extra: dict[str, Any] = dict(extra or {})


class InvalidError(AppError):
    default_code = ErrorCode.INVALID_REQUEST


class TooLargeError(InvalidError):
    default_code = ErrorCode.TOO_LARGE


class UnauthenticatedError(AppError):
    default_code = ErrorCode.UNAUTHENTICATED


class ForbiddenError(AppError):
    default_code = ErrorCode.FORBIDDEN


class NotFoundError(AppError):
    default_code = ErrorCode.NOT_FOUND


class ConflictError(AppError):
    default_code = ErrorCode.CONFLICT


class StaleFenceError(ConflictError):
    default_code = ErrorCode.STALE_FENCE


class GoneError(AppError):
    default_code = ErrorCode.GONE


class RateLimitedError(AppError):
    default_code = ErrorCode.RATE_LIMITED


class UnavailableError(AppError):
    default_code = ErrorCode.UNAVAILABLE


class InternalError(AppError):
    default_code = ErrorCode.INTERNAL


_CODES: dict[type[AppError], tuple[ErrorCode, ...]] = {
    InvalidError: (
        ErrorCode.INVALID_REQUEST,
        ErrorCode.INVALID_REFERENCE,
        ErrorCode.TOO_SLOW,
        ErrorCode.SOURCE_UNSUPPORTED,
        ErrorCode.SOURCE_MALFORMED,
        ErrorCode.SKILL_UNREADABLE,
        ErrorCode.VARIABLE_REFUSED,
        ErrorCode.PATH_REFUSED,
    ),
    TooLargeError: (ErrorCode.TOO_LARGE, ErrorCode.SKILL_TOO_LARGE),
    UnauthenticatedError: (
        ErrorCode.UNAUTHENTICATED,
        ErrorCode.TOKEN_EXPIRED,
        ErrorCode.TOKEN_INVALID,
        ErrorCode.TOKEN_NOT_YET_VALID,
    ),
    ForbiddenError: (
        ErrorCode.FORBIDDEN,
        ErrorCode.CSRF,
        ErrorCode.SKILL_BLOCKED,
        ErrorCode.FOREIGN_ENDPOINT,
        ErrorCode.HOST_REFUSED,
        ErrorCode.ACCOUNT_REFUSED,
        ErrorCode.RELAY_UNREACHABLE,
    ),
    NotFoundError: (
        ErrorCode.NOT_FOUND,
        ErrorCode.SKILL_NOT_FOUND,
        ErrorCode.REPOSITORY_NOT_FOUND,
        ErrorCode.LAUNCH_NOT_FOUND,
        ErrorCode.SANDBOX_NOT_FOUND,
        ErrorCode.SESSION_NOT_FOUND,
        ErrorCode.TURN_NOT_FOUND,
        ErrorCode.APPROVAL_NOT_FOUND,
        ErrorCode.SECRET_NOT_FOUND,
        ErrorCode.FILE_NOT_FOUND,
        ErrorCode.SHARE_NOT_FOUND,
    ),
    ConflictError: (
        ErrorCode.CONFLICT,
        ErrorCode.INVALID_TRANSITION,
        ErrorCode.SKILL_AMBIGUOUS,
        ErrorCode.REPORT_NOT_ACKNOWLEDGED,
        ErrorCode.SANDBOX_IN_USE,
        ErrorCode.SANDBOX_BUSY,
        ErrorCode.TURN_RUNNING,
        ErrorCode.APPROVAL_DECIDED,
        ErrorCode.IDEMPOTENCY_MISMATCH,
        ErrorCode.LAUNCH_NOT_READY,
        ErrorCode.CANCELLED,
    ),
    StaleFenceError: (ErrorCode.STALE_FENCE,),
    GoneError: (ErrorCode.GONE, ErrorCode.APPROVAL_EXPIRED, ErrorCode.SHARE_ENDED),
    RateLimitedError: (
        ErrorCode.RATE_LIMITED,
        ErrorCode.SOURCE_RATE_LIMITED,
        ErrorCode.QUOTA_EXCEEDED,
        ErrorCode.SLOW_VIEWER,
        ErrorCode.PROVIDER_RATE_LIMIT,
    ),
    UnavailableError: (
        ErrorCode.UNAVAILABLE,
        ErrorCode.DRAINING,
        ErrorCode.SOURCE_UNAVAILABLE,
        ErrorCode.DEADLINE_EXCEEDED,
        ErrorCode.SANDBOX_UNAVAILABLE,
        ErrorCode.SANDBOX_CREATE_FAILED,
        ErrorCode.INSTALL_FAILED,
        ErrorCode.AGENT_LOST,
        ErrorCode.AGENT_ERROR,
        ErrorCode.EMPTY_ANSWER,
        ErrorCode.PROVIDER_AUTH,
        ErrorCode.PROVIDER_CREDIT,
        ErrorCode.PROVIDER_ERROR,
        ErrorCode.CREATE_LOCK_STALE,
    ),
    InternalError: (ErrorCode.INTERNAL,),
}

CLASS_OF: dict[ErrorCode, type[AppError]] = {
    code: error for error, codes in _CODES.items() for code in codes
}
