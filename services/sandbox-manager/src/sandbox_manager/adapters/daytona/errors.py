"""Every error of the SDK in our words, by table."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from common.clock import utc_now
from common.errors import AppError, ErrorCode, NotFoundError, RateLimitedError
from common.metrics.table import PROVIDER_ERRORS
from daytona.common import errors as sdk

from sandbox_manager.errors import (
    AccountRefusedError,
    LostAnswerError,
    NameTakenError,
    ProviderRefusedError,
    ProviderUnavailableError,
    QuotaExceededError,
    SandboxGoneError,
    SandboxStoppedError,
    SnapshotMissingError,
)

ERRORS: Mapping[type[sdk.DaytonaError], type[AppError]] = {
    sdk.DaytonaError: ProviderUnavailableError,
    sdk.DaytonaBadRequestError: ProviderRefusedError,
    sdk.DaytonaAuthenticationError: AccountRefusedError,
    sdk.DaytonaForbiddenError: AccountRefusedError,
    sdk.DaytonaNotFoundError: SandboxGoneError,
    sdk.DaytonaConflictError: NameTakenError,
    sdk.DaytonaGoneError: SandboxGoneError,
    sdk.DaytonaUnprocessableEntityError: ProviderRefusedError,
    sdk.DaytonaRateLimitError: RateLimitedError,
    sdk.DaytonaInternalServerError: ProviderUnavailableError,
    sdk.DaytonaBadGatewayError: ProviderUnavailableError,
    sdk.DaytonaServiceUnavailableError: ProviderUnavailableError,
    sdk.DaytonaTimeoutError: LostAnswerError,
    sdk.DaytonaConnectionError: LostAnswerError,
    sdk.DaytonaConnectionTimeoutError: LostAnswerError,
    sdk.DaytonaQueueTimeoutError: ProviderUnavailableError,
    sdk.DaytonaSpotEvictedError: SandboxGoneError,
    sdk.DaytonaFileNotFoundError: NotFoundError,
    sdk.DaytonaFileAccessDeniedError: ProviderRefusedError,
    sdk.DaytonaInvalidFilePathError: ProviderRefusedError,
    sdk.DaytonaFileReadFailedError: ProviderUnavailableError,
    sdk.DaytonaProcessExecutionTimeoutError: LostAnswerError,
    sdk.DaytonaProcessNotFoundError: NotFoundError,
    sdk.DaytonaSessionEndedError: NotFoundError,
    sdk.DaytonaCommandAlreadyCompletedError: NotFoundError,
    sdk.DaytonaLspServerNotInitializedError: ProviderRefusedError,
    sdk.DaytonaA11yUnavailableError: ProviderRefusedError,
    sdk.DaytonaRecordingStillActiveError: ProviderRefusedError,
    sdk.DaytonaRecordingFfmpegNotFoundError: ProviderRefusedError,
    sdk.DaytonaGitAuthFailedError: ProviderRefusedError,
    sdk.DaytonaGitRepoNotFoundError: ProviderRefusedError,
    sdk.DaytonaGitBranchNotFoundError: ProviderRefusedError,
    sdk.DaytonaGitBranchExistsError: ProviderRefusedError,
    sdk.DaytonaGitPushRejectedError: ProviderRefusedError,
    sdk.DaytonaGitDirtyWorktreeError: ProviderRefusedError,
    sdk.DaytonaGitMergeConflictError: ProviderRefusedError,
    sdk.DaytonaGitTransportFailedError: ProviderRefusedError,
    sdk.DaytonaGitRemoteRejectedError: ProviderRefusedError,
}

# The provider says these in the text of a 400 only.
_TEXTS: tuple[tuple[re.Pattern[str], type[AppError]], ...] = (
    (re.compile(r"(snapshot|image)\b.*\bnot found|snapshot\b.*\bis (building|pending)", re.I),
     SnapshotMissingError),
    (re.compile(r"limit exceeded|exceeds maximum|quota", re.I), QuotaExceededError),
    (re.compile(r"no available runners", re.I), ProviderUnavailableError),
    (re.compile(r"is the sandbox started|not in a st(opp|art)able state|is not running", re.I),
     SandboxStoppedError),
)  # fmt: skip
_RETRY_AFTER = re.compile(r"^retry-after(-[a-z-]+)?$", re.I)
_DEFAULT_RETRY = timedelta(seconds=30)
_DETAILS: Mapping[type[AppError], str] = {
    AccountRefusedError: "the sandbox provider does not accept the platform's account",
    SandboxGoneError: "the sandbox no longer exists at the provider",
    SandboxStoppedError: "the sandbox is not running",
    LostAnswerError: "the sandbox provider did not answer in time",
    RateLimitedError: "the sandbox provider asks us to slow down",
}


@contextlib.contextmanager
def mapped_errors() -> Iterator[None]:
    """Raise the SDK's errors as ours."""
    try:
        yield
    except sdk.DaytonaError as exc:
        raise translated(exc) from exc
    except TimeoutError as exc:
        raise LostAnswerError(_DETAILS[LostAnswerError]) from exc


def translated(exc: sdk.DaytonaError) -> AppError:
    """The provider's own words are kept where a person can act on them."""
    kind = kind_of(exc)
    PROVIDER_ERRORS.add(code=kind.default_code)
    detail = _DETAILS.get(kind) or f"the sandbox provider answered: {exc.message[:300]}"
    if kind is RateLimitedError:
        return kind(detail, retry_at=_retry_at(exc.headers, utc_now()))
    if kind is NotFoundError:
        return NotFoundError(detail, code=ErrorCode.FILE_NOT_FOUND)
    return kind(detail)


def kind_of(exc: sdk.DaytonaError) -> type[AppError]:
    if exc.status_code in {400, 404}:
        for pattern, kind in _TEXTS:
            if pattern.search(exc.message):
                return kind
    if type(exc) is sdk.DaytonaError:
        return _kind_by_status(exc.status_code)
    return next(ERRORS[base] for base in type(exc).__mro__ if base in ERRORS)


def _kind_by_status(status: int | None) -> type[AppError]:
    """An upload's errors are not typed, and some statuses have no class of their own."""
    by_status = sdk.STATUS_CODE_TO_ERROR.get(status or 0)
    if by_status is not None:
        return ERRORS[by_status]
    is_refusal = status is not None and (400 <= status < 500 or status == 501)
    return ProviderRefusedError if is_refusal else ProviderUnavailableError


def _retry_at(headers: Mapping[str, Any], now: datetime) -> datetime:
    """The latest of `Retry-After` and `Retry-After-<throttler>`; header names come in any case."""
    waits = [
        int(value)
        for name, value in headers.items()
        if _RETRY_AFTER.match(str(name)) and str(value).isdigit()
    ]
    return now + (timedelta(seconds=max(waits)) if waits else _DEFAULT_RETRY)
