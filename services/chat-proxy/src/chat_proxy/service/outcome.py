"""How a turn ends."""

from dataclasses import dataclass

from common.contracts.chat import TurnState
from common.contracts.sandbox import Failure
from common.errors import AppError, ErrorCode

from chat_proxy.model.agent import AgentStatus, Finished
from chat_proxy.model.failures import failure_of

_TYPED = frozenset(
    {
        ErrorCode.PROVIDER_AUTH,
        ErrorCode.PROVIDER_CREDIT,
        ErrorCode.PROVIDER_RATE_LIMIT,
        ErrorCode.PROVIDER_ERROR,
        ErrorCode.AGENT_LOST,
        ErrorCode.AGENT_ERROR,
        ErrorCode.EMPTY_ANSWER,
        ErrorCode.SANDBOX_UNAVAILABLE,
        ErrorCode.SANDBOX_NOT_FOUND,
        ErrorCode.SANDBOX_BUSY,
        ErrorCode.LAUNCH_NOT_READY,
        ErrorCode.INSTALL_FAILED,
        ErrorCode.SESSION_NOT_FOUND,
        ErrorCode.QUOTA_EXCEEDED,
    }
)


@dataclass(frozen=True)
class Outcome:
    state: TurnState
    error: Failure | None = None


STOPPED = Outcome(TurnState.STOPPED)
COMPLETED = Outcome(TurnState.COMPLETED)


def failed(code: ErrorCode, detail: str) -> Outcome:
    return Outcome(TurnState.FAILED, Failure(code=code, detail=detail))


def outcome_of(finished: Finished, *, answered: bool, repeats: bool) -> Outcome:
    if finished.status is AgentStatus.INTERRUPTED:
        return STOPPED
    failure = failure_of(finished, answered=answered, repeats=repeats)
    return COMPLETED if failure is None else Outcome(TurnState.FAILED, failure)


def outcome_of_error(error: AppError) -> Outcome:
    """What kept the turn from its agent; a reason that users have no word for is the sandbox."""
    code = error.code if error.code in _TYPED else ErrorCode.SANDBOX_UNAVAILABLE
    return Outcome(
        TurnState.FAILED, Failure(code=code, detail=error.detail, retry_at=error.retry_at)
    )
