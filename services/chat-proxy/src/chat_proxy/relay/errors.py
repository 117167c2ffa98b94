"""What the relay refuses, in the shape in which OpenAI's clients read errors.

An agent asks again after 5xx and 429, three times and more. What another try cannot change, and a
provider that was waited for to the end, is therefore a 424: the agent ends its turn at once.
"""

from datetime import datetime
from typing import Any

from common.errors import AppError, ErrorCode
from common.providers import Provider

FINAL = 424


class RefusedError(Exception):
    """An answer that is not the provider's own; `message` is for a person and holds no secret.

    `reason` is what the person's turn fails with, should it fail with this.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        reason: ErrorCode = ErrorCode.PROVIDER_ERROR,
        retry_at: datetime | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.reason = reason
        self.retry_at = retry_at

    def body(self) -> dict[str, Any]:
        return error_body(self.message, self.status, self.code)


def error_body(message: str, status: int, code: str) -> dict[str, Any]:
    kind = _KINDS.get(status, "server_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


def bad_request(message: str) -> RefusedError:
    return RefusedError(400, "invalid_request", message)


def no_token() -> RefusedError:
    return RefusedError(
        401, "invalid_relay_token", "This token is not, or no longer, one of a sandbox."
    )


def missing_key(provider: Provider) -> RefusedError:
    where = f" You get one at {provider.key_url}." if provider.key_url else ""
    message = (
        f"No key for {provider.title}: add {provider.key_name} in the platform's settings.{where}"
    )
    return RefusedError(401, "missing_key", message, reason=ErrorCode.PROVIDER_AUTH)


def not_configured(provider: Provider) -> RefusedError:
    message = f"{provider.title} is not available on this platform: choose another provider."
    return RefusedError(FINAL, "provider_not_configured", message)


def host_refused() -> RefusedError:
    message = (
        "The base URL leads to an address that this platform does not call (private, local or"
        " reserved). Choose a public one, or ask the operator to allow private addresses."
    )
    return RefusedError(403, "host_refused", message)


def unreachable(title: str, reason: str) -> RefusedError:
    return RefusedError(502, "provider_unreachable", f"{title} cannot be reached: {reason}.")


def redirects(title: str) -> RefusedError:
    message = f"{title} redirects elsewhere, which is not followed."
    return RefusedError(FINAL, "provider_redirects", message)


def too_slow(title: str, waited_s: float) -> RefusedError:
    return RefusedError(
        FINAL, "provider_timeout", f"{title} sent nothing for {waited_s:g} seconds."
    )


def cut_off(title: str) -> RefusedError:
    return RefusedError(502, "provider_cut_off", f"{title} ended its answer in the middle.")


def said_nothing(title: str) -> RefusedError:
    return RefusedError(502, "provider_cut_off", f"{title} ended its answer before a word of it.")


def no_api(title: str, what: str) -> RefusedError:
    message = f"{title} answered with {what}: is the base URL the one of its API?"
    return RefusedError(FINAL, "provider_no_api", message)


def failed_inside(title: str, words: str) -> RefusedError:
    told = f": {words}" if words else "."
    return RefusedError(502, "provider_failed", f"{title} failed in its answer{told}")


def stopped_short(title: str, why: str) -> RefusedError:
    return RefusedError(502, "provider_stopped_short", f"{title} {why}.")


def cap_reached(cap: int, until: datetime) -> RefusedError:
    message = f"The limit of {cap} tokens a day is used up; it starts anew at midnight UTC."
    return RefusedError(
        FINAL, "token_cap_reached", message, reason=ErrorCode.QUOTA_EXCEEDED, retry_at=until
    )


def too_many(most: int) -> RefusedError:
    message = f"{most} model calls at once are the most for one owner: try again."
    return RefusedError(429, "too_many_calls", message, reason=ErrorCode.QUOTA_EXCEEDED)


def body_too_large(most: int) -> RefusedError:
    return RefusedError(413, "request_too_large", f"The request is larger than {most} bytes.")


def platform_unavailable(error: AppError) -> RefusedError:
    return RefusedError(
        503,
        str(error.code),
        f"The platform cannot answer now: {error.detail}.",
        reason=ErrorCode.UNAVAILABLE,
    )


def starting() -> RefusedError:
    return RefusedError(503, "starting", "The model relay is starting: try again.")
