"""What the relay refuses, in the shape in which OpenAI's clients read errors."""

from typing import Any

from common.errors import AppError
from common.providers import Provider


class RefusedError(Exception):
    """An answer that is not the provider's own; `message` is for a person and holds no secret."""

    def __init__(self, status: int, code: str, message: str, *, kind: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.kind = kind or _KINDS.get(status, "server_error")

    def body(self) -> dict[str, Any]:
        error = {"message": self.message, "type": self.kind, "param": None, "code": self.code}
        return {"error": error}


_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
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
    return RefusedError(401, "missing_key", message)


def not_configured(provider: Provider) -> RefusedError:
    message = f"{provider.title} is not available on this platform: choose another provider."
    return RefusedError(503, "provider_not_configured", message)


def host_refused() -> RefusedError:
    message = (
        "The base URL leads to an address that this platform does not call (private, local or"
        " reserved). Choose a public one, or ask the operator to allow private addresses."
    )
    return RefusedError(403, "host_refused", message)


def unreachable(title: str, reason: str) -> RefusedError:
    return RefusedError(502, "provider_unreachable", f"{title} cannot be reached: {reason}.")


def too_slow(title: str, waited_s: float) -> RefusedError:
    message = f"{title} sent nothing for {waited_s:g} seconds."
    return RefusedError(504, "provider_timeout", message)


def cut_off(title: str) -> RefusedError:
    return RefusedError(502, "provider_cut_off", f"{title} ended its answer in the middle.")


def cap_reached(cap: int) -> RefusedError:
    message = f"The limit of {cap} tokens a day is used up; it starts anew at midnight UTC."
    return RefusedError(429, "token_cap_reached", message)


def too_many(most: int) -> RefusedError:
    message = f"{most} model calls at once are the most for one owner: try again."
    return RefusedError(429, "too_many_calls", message)


def body_too_large(most: int) -> RefusedError:
    return RefusedError(413, "request_too_large", f"The request is larger than {most} bytes.")


def platform_unavailable(error: AppError) -> RefusedError:
    return RefusedError(503, str(error.code), f"The platform cannot answer now: {error.detail}.")


def starting() -> RefusedError:
    return RefusedError(503, "starting", "The model relay is starting: try again.")
