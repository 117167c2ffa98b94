"""How a turn ends."""

from dataclasses import dataclass

from common.contracts.chat import TurnState
from common.contracts.sandbox import Failure
from common.errors import AppError, ErrorCode

from chat_proxy.model.agent import AgentStatus, Finished
from chat_proxy.model.failures import failure_of, link_of
from chat_proxy.model.usage import CallFailure

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
        ErrorCode.SKILL_BLOCKED,
        ErrorCode.DRAINING,
    }
)


_OF_THE_MODEL = frozenset(
    {
        ErrorCode.PROVIDER_AUTH,
        ErrorCode.PROVIDER_CREDIT,
        ErrorCode.PROVIDER_RATE_LIMIT,
        ErrorCode.PROVIDER_ERROR,
        ErrorCode.AGENT_ERROR,
        ErrorCode.EMPTY_ANSWER,
        ErrorCode.QUOTA_EXCEEDED,
    }
)
"""Failures of an agent that may have their cause in its last call of the model."""


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


def explained(outcome: Outcome, failure: CallFailure | None) -> Outcome:
    """The outcome with the reason that the relay saw, where it saw one: the agent has its own
    words for it, or none.
    """
    error = outcome.error
    if error is None or error.code not in _OF_THE_MODEL:
        return outcome
    if failure is None:
        return Outcome(outcome.state, error.model_copy(update={"link": link_of(error.code)}))
    return Outcome(
        outcome.state,
        Failure(
            code=failure.code,
            detail=failure.detail,
            retry_at=failure.retry_at,
            link=link_of(failure.code, failure.provider),
        ),
    )


def outcome_of_error(error: AppError) -> Outcome:
    """What kept the turn from its agent; a reason that users have no word for is the sandbox."""
    code = error.code if error.code in _TYPED else ErrorCode.SANDBOX_UNAVAILABLE
    return Outcome(
        TurnState.FAILED, Failure(code=code, detail=error.detail, retry_at=error.retry_at)
    )
