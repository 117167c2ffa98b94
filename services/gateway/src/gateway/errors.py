"""Every error as HTTP: one status a code, and the body of RFC 9457."""

from datetime import datetime
from http import HTTPStatus
from typing import Any

from common.errors import AppError, ErrorCode

PROBLEM_TYPE = "application/problem+json"

STATUS: dict[ErrorCode, HTTPStatus] = {
    ErrorCode.INVALID_REQUEST: HTTPStatus.BAD_REQUEST,
    ErrorCode.INVALID_REFERENCE: HTTPStatus.BAD_REQUEST,
    ErrorCode.SOURCE_UNSUPPORTED: HTTPStatus.BAD_REQUEST,
    ErrorCode.SOURCE_MALFORMED: HTTPStatus.BAD_REQUEST,
    ErrorCode.VARIABLE_REFUSED: HTTPStatus.BAD_REQUEST,
    ErrorCode.PATH_REFUSED: HTTPStatus.BAD_REQUEST,
    ErrorCode.SKILL_UNREADABLE: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.SKILL_TOO_LARGE: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.TOO_SLOW: HTTPStatus.REQUEST_TIMEOUT,
    ErrorCode.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    ErrorCode.TOKEN_EXPIRED: HTTPStatus.UNAUTHORIZED,
    ErrorCode.TOKEN_INVALID: HTTPStatus.UNAUTHORIZED,
    ErrorCode.TOKEN_NOT_YET_VALID: HTTPStatus.UNAUTHORIZED,
    ErrorCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
    ErrorCode.CSRF: HTTPStatus.FORBIDDEN,
    ErrorCode.SKILL_BLOCKED: HTTPStatus.FORBIDDEN,
    ErrorCode.FOREIGN_ENDPOINT: HTTPStatus.FORBIDDEN,
    ErrorCode.HOST_REFUSED: HTTPStatus.FORBIDDEN,
    ErrorCode.ACCOUNT_REFUSED: HTTPStatus.FORBIDDEN,
    ErrorCode.RELAY_UNREACHABLE: HTTPStatus.FORBIDDEN,
    ErrorCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.SKILL_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.REPOSITORY_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.LAUNCH_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.SANDBOX_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.SESSION_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.TURN_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.APPROVAL_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.SECRET_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.FILE_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.SHARE_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.CONFLICT: HTTPStatus.CONFLICT,
    ErrorCode.STALE_FENCE: HTTPStatus.CONFLICT,
    ErrorCode.INVALID_TRANSITION: HTTPStatus.CONFLICT,
    ErrorCode.SKILL_AMBIGUOUS: HTTPStatus.CONFLICT,
    ErrorCode.REPORT_NOT_ACKNOWLEDGED: HTTPStatus.CONFLICT,
    ErrorCode.SANDBOX_IN_USE: HTTPStatus.CONFLICT,
    ErrorCode.SANDBOX_BUSY: HTTPStatus.CONFLICT,
    ErrorCode.TURN_RUNNING: HTTPStatus.CONFLICT,
    ErrorCode.APPROVAL_DECIDED: HTTPStatus.CONFLICT,
    ErrorCode.IDEMPOTENCY_MISMATCH: HTTPStatus.CONFLICT,
    ErrorCode.LAUNCH_NOT_READY: HTTPStatus.CONFLICT,
    ErrorCode.CANCELLED: HTTPStatus.CONFLICT,
    ErrorCode.GONE: HTTPStatus.GONE,
    ErrorCode.APPROVAL_EXPIRED: HTTPStatus.GONE,
    ErrorCode.SHARE_ENDED: HTTPStatus.GONE,
    ErrorCode.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorCode.SOURCE_RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorCode.QUOTA_EXCEEDED: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorCode.SLOW_VIEWER: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorCode.PROVIDER_RATE_LIMIT: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorCode.PROVIDER_CREDIT: HTTPStatus.PAYMENT_REQUIRED,
    ErrorCode.PROVIDER_AUTH: HTTPStatus.FAILED_DEPENDENCY,
    ErrorCode.PROVIDER_ERROR: HTTPStatus.BAD_GATEWAY,
    ErrorCode.SANDBOX_CREATE_FAILED: HTTPStatus.BAD_GATEWAY,
    ErrorCode.INSTALL_FAILED: HTTPStatus.BAD_GATEWAY,
    ErrorCode.AGENT_LOST: HTTPStatus.BAD_GATEWAY,
    ErrorCode.AGENT_ERROR: HTTPStatus.BAD_GATEWAY,
    ErrorCode.EMPTY_ANSWER: HTTPStatus.BAD_GATEWAY,
    ErrorCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.DRAINING: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.SOURCE_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.SANDBOX_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.CREATE_LOCK_STALE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
    ErrorCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}

_RESERVED = frozenset({"type", "title", "status", "detail", "code", "retry_at"})
_RETRY_S = 5
_LATER = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


def problem(error: AppError) -> dict[str, Any]:
    """The body: the members of RFC 9457, `code`, `retry_at` where known, and the error's facts."""
    body: dict[str, Any] = {
        "type": f"urn:tryskills:problem:{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": int(STATUS[error.code]),
        "detail": error.detail,
        "code": str(error.code),
    }
    if error.retry_at is not None:
        body["retry_at"] = error.retry_at.isoformat().replace("+00:00", "Z")
    return body | {key: value for key, value in error.extra.items() if key not in _RESERVED}


def problem_headers(error: AppError, now: datetime) -> dict[str, str]:
    """What a generic client understands: when to come back, and how to say who it is."""
    status = STATUS[error.code]
    headers: dict[str, str] = {}
    if error.retry_at is not None:
        headers["Retry-After"] = str(max(1, round((error.retry_at - now).total_seconds())))
    elif status in _LATER:
        headers["Retry-After"] = str(_RETRY_S)
    if status is HTTPStatus.UNAUTHORIZED:
        is_refused = error.code is not ErrorCode.UNAUTHENTICATED
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"' if is_refused else "Bearer"
    return headers
