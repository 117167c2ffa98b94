"""What a provider's refusal means: a table from its status and words to our codes."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from common.errors import ErrorCode

from chat_proxy.model.usage import CallFailure
from chat_proxy.relay.access import Target
from chat_proxy.relay.errors import FINAL, error_body
from chat_proxy.relay.meter import error_in

LONGEST_WAIT = timedelta(seconds=30)
"""An agent that is told to wait longer ends its turn instead."""

_WORDS_CHARS = 300
_LONGEST_RETRY = timedelta(days=7)

_BY_STATUS = {
    401: ErrorCode.PROVIDER_AUTH,
    402: ErrorCode.PROVIDER_CREDIT,
    403: ErrorCode.PROVIDER_AUTH,
    429: ErrorCode.PROVIDER_RATE_LIMIT,
}
# More telling than the status they come with.
_CREDIT = re.compile(
    r"insufficient[_ ](quota|credit|balance|funds)|exceeded your current quota"
    r"|credit balance|billing|spending limit|out of credits",
    re.I,
)
_AUTH = re.compile(r"api[_ ]key not valid|in(valid|correct)[_ ]api[_ ]key", re.I)
_MAY_BE_CREDIT = frozenset({400, 402, 403, 404, 429})

_TOLD = {
    ErrorCode.PROVIDER_AUTH: "{title} does not accept the key",
    ErrorCode.PROVIDER_CREDIT: "{title} has no credit left for this key",
    ErrorCode.PROVIDER_RATE_LIMIT: "{title} limits how often it is asked",
}


@dataclass(frozen=True)
class Verdict:
    """`failure` for the person, `status` and `body` for the agent; None keeps the provider's."""

    failure: CallFailure
    status: int
    body: bytes | None = None


def judge(
    target: Target, status: int, headers: Mapping[str, str], body: bytes, now: datetime
) -> Verdict:
    """What an answer that is no good one means."""
    said = _object(body)
    words = _words(said)
    code = _code(status, f"{words} {_kind(said)}")
    retry_at = _retry_at(headers.get("Retry-After", ""), now)
    told = _TOLD.get(code, "{title} answered with status {status}")
    told = told.format(title=target.title, status=status)
    if status == 404 and code is ErrorCode.PROVIDER_ERROR:
        told = f"{told} for the model {target.model}"
    if said is None and body.lstrip()[:1] == b"<":
        told = f"{told}, with a web page"
        words = "is the base URL the one of its API?" if status < 500 else ""
    detail = f"{told}: {words}" if words else f"{told}."
    failure = CallFailure(code, detail, target.provider.name, retry_at)
    return _for_agent(failure, status, is_readable=said is not None, now=now)


def _for_agent(failure: CallFailure, status: int, *, is_readable: bool, now: datetime) -> Verdict:
    """Whether another try is worth it; only then the agent sees a status that it tries again."""
    if failure.code is ErrorCode.PROVIDER_CREDIT:
        status = 402
    elif _is_final(failure, status, is_readable=is_readable, now=now):
        return Verdict(failure, FINAL, _body(failure, FINAL))
    return Verdict(failure, status, None if is_readable else _body(failure, status))


def _is_final(failure: CallFailure, status: int, *, is_readable: bool, now: datetime) -> bool:
    if failure.retry_at is not None and failure.retry_at - now > LONGEST_WAIT:
        return True
    return status == 404 or (status < 500 and not is_readable)


def _body(failure: CallFailure, status: int) -> bytes:
    return json.dumps(error_body(failure.detail, status, str(failure.code))).encode()


def _code(status: int, words: str) -> ErrorCode:
    if status in _MAY_BE_CREDIT and _CREDIT.search(words):
        return ErrorCode.PROVIDER_CREDIT
    if status == 400 and _AUTH.search(words):
        return ErrorCode.PROVIDER_AUTH
    return _BY_STATUS.get(status, ErrorCode.PROVIDER_ERROR)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    # Gemini wraps its errors in a list.
    said = said[0] if isinstance(said, list) and said else said
    return said if isinstance(said, dict) else None


def _words(said: dict[str, Any] | None) -> str:
    if said is None:
        return ""
    words = error_in(said)
    if words is None:
        found = said.get("message") or said.get("detail")
        words = found if isinstance(found, str) else ""
    words = " ".join(words.split())
    return words if len(words) <= _WORDS_CHARS else f"{words[: _WORDS_CHARS - 1]}…"


def _kind(said: dict[str, Any] | None) -> str:
    error = said.get("error") if said else None
    if not isinstance(error, dict):
        return ""
    return f"{error.get('type')} {error.get('code')}"


def _retry_at(value: str, now: datetime) -> datetime | None:
    """`Retry-After` in either of its forms; nonsense is none."""
    try:
        wait = timedelta(seconds=float(value))
    except (ValueError, OverflowError):
        try:
            moment = parsedate_to_datetime(value)
        except (TypeError, ValueError):
            return None
        wait = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    return now + wait if timedelta(0) < wait <= _LONGEST_RETRY else None
