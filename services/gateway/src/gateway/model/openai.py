"""OpenAI's wire: models, completions, chunks, errors.

What OpenAI's API has no word for stands in a member `tryskills` beside its own, which other
clients leave alone; reasoning goes by `reasoning_content`, as several providers have it.
"""

import time
from collections.abc import Mapping
from typing import Any

from common.contracts.chat import Session, TokensUsed
from common.errors import AppError, ErrorCode

from gateway.errors import STATUS

EXTENSION = "tryskills"
DONE = "[DONE]"

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "invalid_request_error",
    409: "invalid_request_error",
    410: "invalid_request_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
}
_MAY_PASS = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.DEADLINE_EXCEEDED, ErrorCode.RATE_LIMITED})
_OF_THE_MODEL = frozenset(
    {
        *(ErrorCode.SKILL_NOT_FOUND, ErrorCode.SKILL_AMBIGUOUS, ErrorCode.SKILL_BLOCKED),
        *(ErrorCode.REPOSITORY_NOT_FOUND, ErrorCode.SOURCE_MALFORMED),
        *(ErrorCode.SOURCE_UNSUPPORTED, ErrorCode.REPORT_NOT_ACKNOWLEDGED),
    }
)


def error_body(error: AppError) -> dict[str, Any]:
    status = int(STATUS[error.code])
    param = error.extra.get("param") or ("model" if error.code in _OF_THE_MODEL else None)
    told: dict[str, Any] = {
        "message": error.detail,
        "type": _TYPES.get(status, "server_error"),
        "param": param,
        "code": str(error.code),
    }
    facts = {name: value for name, value in error.extra.items() if name != "param"}
    return {"error": told | ({EXTENSION: facts} if facts else {})}


def should_retry(error: AppError) -> str:
    """What OpenAI's own client obeys: without it a turn that failed would be run again."""
    return "true" if error.code in _MAY_PASS else "false"


def model(name: str, owner: str, created: int = 0, **more: Any) -> dict[str, Any]:
    described = {"id": name, "object": "model", "created": created, "owned_by": owner}
    return described | ({EXTENSION: more} if more else {})


def models(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {"object": "list", "data": found}


def model_name(session: Session) -> str:
    """The skill with the commit that ran."""
    skill = session.skill
    place = "/".join(part for part in (skill.owner, skill.repo, skill.path or skill.name) if part)
    return f"{place}@{skill.commit}"


def usage_of(used: TokensUsed) -> dict[str, Any]:
    return {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.total_tokens,
    }


def facts_of(session: Session, turn_id: str, page: str) -> dict[str, Any]:
    return {
        "session_id": session.id,
        "turn_id": turn_id,
        "session_url": page,
        "commit": session.skill.commit,
        "digest": session.skill.digest,
    }


class Wire:
    """The frames of one completion; `begun` names it once its turn is known."""

    def __init__(self, asked_model: str) -> None:
        self._id = "chatcmpl-pending"
        self._model = asked_model
        self._created = int(time.time())

    def begun(self, session: Session, turn_id: str) -> None:
        self._id = f"chatcmpl-{turn_id}"
        self._model = model_name(session)

    def chunk(
        self,
        delta: Mapping[str, Any],
        *,
        finish: str | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        choice = {"index": 0, "delta": dict(delta), "logprobs": None, "finish_reason": finish}
        frame = self._frame("chat.completion.chunk", [choice])
        return frame | ({EXTENSION: dict(more)} if more else {})

    def usage_chunk(self, used: TokensUsed) -> dict[str, Any]:
        return self._frame("chat.completion.chunk", []) | {"usage": usage_of(used)}

    def completion(
        self, text: str, thoughts: str, used: TokensUsed, facts: Mapping[str, Any]
    ) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if thoughts:
            message["reasoning_content"] = thoughts
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return self._frame("chat.completion", [choice]) | {
            "usage": usage_of(used),
            EXTENSION: dict(facts),
        }

    def _frame(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._model,
            "choices": choices,
        }
