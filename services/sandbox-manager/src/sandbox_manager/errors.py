"""Failures only this service can explain.

ConflictError
├── InvalidTransitionError      the table of pool states has no such way
├── SandboxInUseError           a use-lease is held
├── SandboxBusyError            a launch is changing the sandbox
└── NameTakenError              the provider already has a sandbox of that name
StaleFenceError
└── ClaimLostError              another worker drives this launch now
NotFoundError
└── SandboxGoneError            the provider does not know the sandbox
UnavailableError
├── ProviderUnavailableError    the provider does not answer, or not now
│   └── LostAnswerError         ... and whether it did what was asked is unknown
├── StoreUnavailableError       our own store does not answer
├── SandboxStoppedError         the sandbox is there and does not run
├── SandboxBrokenError          the provider says that it failed, for good
├── CreateFailedError           no sandbox could be made
├── InstallFailedError          the skill's bytes did not arrive as they are
└── AgentLostError              the agent in the sandbox does not answer
InvalidError
└── ProviderRefusedError        the provider will never accept this request
    └── SnapshotMissingError    ... because it lacks the snapshot or image
ForbiddenError
├── AccountRefusedError         the provider does not accept the account's key
└── RelayUnreachableError       an own account's sandbox could not call its model
RateLimitedError
└── QuotaExceededError          a limit of ours, or of the account at the provider
"""

from typing import ClassVar, Self

from common.errors import (
    ConflictError,
    ErrorCode,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    RateLimitedError,
    StaleFenceError,
    UnavailableError,
)


class InvalidTransitionError(ConflictError):
    default_code: ClassVar[ErrorCode] = ErrorCode.INVALID_TRANSITION


class SandboxInUseError(ConflictError):
    default_code: ClassVar[ErrorCode] = ErrorCode.SANDBOX_IN_USE


class SandboxBusyError(ConflictError):
    default_code: ClassVar[ErrorCode] = ErrorCode.SANDBOX_BUSY


class NameTakenError(ConflictError):
    default_code: ClassVar[ErrorCode] = ErrorCode.CONFLICT


class ClaimLostError(StaleFenceError):
    default_code: ClassVar[ErrorCode] = ErrorCode.STALE_FENCE


class SandboxGoneError(NotFoundError):
    default_code: ClassVar[ErrorCode] = ErrorCode.SANDBOX_NOT_FOUND


class ProviderUnavailableError(UnavailableError):
    default_code: ClassVar[ErrorCode] = ErrorCode.SANDBOX_UNAVAILABLE


class LostAnswerError(ProviderUnavailableError):
    """Look the sandbox up before asking again."""


class StoreUnavailableError(UnavailableError):
    """Nothing was decided: whoever comes next finds the record as it was, or as written."""


class SandboxStoppedError(UnavailableError):
    default_code: ClassVar[ErrorCode] = ErrorCode.SANDBOX_UNAVAILABLE


class SandboxBrokenError(UnavailableError):
    default_code: ClassVar[ErrorCode] = ErrorCode.SANDBOX_UNAVAILABLE

    @classmethod
    def because(cls, reason: str | None) -> Self:
        told = reason or "it does not say why"
        return cls(f"the sandbox broke at the provider ({told}); delete it to get a new one")


class CreateFailedError(UnavailableError):
    default_code: ClassVar[ErrorCode] = ErrorCode.SANDBOX_CREATE_FAILED


class InstallFailedError(UnavailableError):
    default_code: ClassVar[ErrorCode] = ErrorCode.INSTALL_FAILED


class AgentLostError(UnavailableError):
    default_code: ClassVar[ErrorCode] = ErrorCode.AGENT_LOST


class ProviderRefusedError(InvalidError):
    default_code: ClassVar[ErrorCode] = ErrorCode.INVALID_REQUEST


class SnapshotMissingError(ProviderRefusedError):
    """The provider has no such snapshot, or cannot build from such an image."""


class AccountRefusedError(ForbiddenError):
    default_code: ClassVar[ErrorCode] = ErrorCode.ACCOUNT_REFUSED


class RelayUnreachableError(ForbiddenError):
    default_code: ClassVar[ErrorCode] = ErrorCode.RELAY_UNREACHABLE


class QuotaExceededError(RateLimitedError):
    default_code: ClassVar[ErrorCode] = ErrorCode.QUOTA_EXCEEDED
