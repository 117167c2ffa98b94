"""The ways in which a provider fails, as the markers name them."""

from local_platform.demo_model.reply import Refusal, openai_error

MESSAGES = {
    401: ("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
    402: ("Insufficient credits.", "insufficient_quota", "insufficient_credits"),
    403: ("This key may not use the model.", "permission_error", "model_not_allowed"),
    404: ("There is no such model here.", "invalid_request_error", "model_not_found"),
    413: ("The request is too large.", "invalid_request_error", "request_too_large"),
    429: ("Rate limit reached. Try again in 1s.", "rate_limit_error", "rate_limit_exceeded"),
    500: ("The server had an error while processing the request.", "server_error", None),
    502: ("Bad gateway.", "server_error", None),
    503: ("The model is overloaded; try again later.", "server_error", "overloaded"),
    529: ("Overloaded.", "overloaded_error", None),
}
RETRY_AFTER = {429, 503, 529}
STREAM_BREAKS = {"drop": "drop", "midstream": "error"}
MIDSTREAM = openai_error("The provider failed in the middle of its answer.", "server_error", "502")

NAMED = {
    "context": Refusal(
        400,
        openai_error(
            "This model's maximum context length is 8192 tokens. However, your messages hold 20000"
            " tokens. Please reduce the length of the messages.",
            "invalid_request_error",
            "context_length_exceeded",
        ),
    ),
    "content": Refusal(
        400, openai_error("The response was filtered.", "invalid_request_error", "content_filter")
    ),
    "notjson": Refusal(200, "<html><body>Bad gateway</body></html>"),
}


def http_error(status: int) -> Refusal:
    message, kind, code = MESSAGES.get(status, (f"Error {status}.", "server_error", None))
    headers = {"Retry-After": "1"} if status in RETRY_AFTER else {}
    return Refusal(status, openai_error(message, kind, code), headers)


def refusal(kind: str) -> Refusal | None:
    """The HTTP answer of a fault, or None for the faults that happen inside a stream."""
    if kind.isdigit() and 400 <= int(kind) <= 599:
        return http_error(int(kind))
    return NAMED.get(kind)
