"""Why a turn failed, from what the agent said: a table from its words to our codes."""

import re
from collections.abc import Iterable

from common.contracts.sandbox import Failure
from common.errors import ErrorCode
from common.providers import PROVIDERS

from chat_proxy.model.agent import AgentStatus, Finished

_DETAIL_CHARS = 600
_STATUS = re.compile(r"\bHTTP (\d{3})\b")
_NO_REPLY = "No reply: the model returned empty content"

_BY_STATUS = {
    "401": ErrorCode.PROVIDER_AUTH,
    "402": ErrorCode.PROVIDER_CREDIT,
    "403": ErrorCode.PROVIDER_AUTH,
    "429": ErrorCode.PROVIDER_RATE_LIMIT,
}

_LINKS = {
    ErrorCode.PROVIDER_AUTH: "/settings",
    ErrorCode.PROVIDER_CREDIT: "/settings",
    ErrorCode.PROVIDER_ERROR: "/settings",
    ErrorCode.QUOTA_EXCEEDED: "/dashboard",
}

# More telling than the status they come with.
_CLEAR_WORDS = (
    (re.compile(r"insufficient[_ ](quota|credit|balance|funds)", re.I), ErrorCode.PROVIDER_CREDIT),
    (re.compile(r"limit of \d+ tokens a day is used up"), ErrorCode.QUOTA_EXCEEDED),
    (re.compile(r"token is not, or no longer, one of a sandbox"), ErrorCode.SANDBOX_UNAVAILABLE),
)

_WORDS = (
    (re.compile(r"no llm provider|api key", re.I), ErrorCode.PROVIDER_AUTH),
    (re.compile(r"rate limit", re.I), ErrorCode.PROVIDER_RATE_LIMIT),
    (
        re.compile(
            r"connection error|timed? ?out|empty stream|context length|safety filter"
            r"|remained truncated|api (call )?failed|provider|minimum 64,000",
            re.I,
        ),
        ErrorCode.PROVIDER_ERROR,
    ),
)


def failure_of(finished: Finished, *, answered: bool, repeats: bool) -> Failure | None:
    """The failure a finished turn stands for; None when it is an answer.

    `answered` says that text reached the viewer during the turn, `repeats` that the final text is
    only what was streamed.
    """
    if finished.status is AgentStatus.ERROR:
        return explain("" if repeats else finished.text, finished.last_status)
    if _NO_REPLY in finished.text or not (finished.text.strip() or answered):
        return Failure(code=ErrorCode.EMPTY_ANSWER, detail="The model gave an empty answer.")
    return None


def explain(text: str, last_status: str = "") -> Failure:
    """The failure for an error text. After a broken stream the agent repeats the partial answer in
    its place: then its last status, or nothing, says why.
    """
    code = code_of(text) or code_of(last_status)
    if not text.strip():
        detail = last_status if code else "The model's answer broke off."
        return Failure(code=code or ErrorCode.PROVIDER_ERROR, detail=_clean(detail))
    return Failure(code=code or ErrorCode.AGENT_ERROR, detail=_clean(text))


def link_of(code: ErrorCode, provider: str = "") -> str | None:
    """Where a person can do something about it; credit is bought at the provider's."""
    known = PROVIDERS.get(provider)
    if code is ErrorCode.PROVIDER_CREDIT and known is not None and known.billing_url:
        return known.billing_url
    return _LINKS.get(code)


def code_of(text: str) -> ErrorCode | None:
    """The code by the clearest words, else by the HTTP status named, else by any words."""
    status = _STATUS.search(text)
    by_status = _BY_STATUS.get(status.group(1), ErrorCode.PROVIDER_ERROR) if status else None
    return _by_words(_CLEAR_WORDS, text) or by_status or _by_words(_WORDS, text)


def _by_words(table: Iterable[tuple[re.Pattern[str], ErrorCode]], text: str) -> ErrorCode | None:
    return next((code for words, code in table if words.search(text)), None)


def _clean(text: str) -> str:
    text = text.strip().lstrip("❌⚠️ ").removeprefix("Error: ")
    text = text or "The agent ended without a reason."
    return text if len(text) <= _DETAIL_CHARS else f"{text[: _DETAIL_CHARS - 1]}…"
