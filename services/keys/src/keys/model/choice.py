"""An owner's choice of provider, model and base URL."""

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from common.errors import InvalidError
from common.providers import PROVIDERS

CUSTOM = "custom"
_ENDPOINT = "/chat/completions"


@dataclass(frozen=True)
class Choice:
    """`version` is 0 where the owner chose nothing yet."""

    provider: str
    model: str
    base_url: str | None = None
    version: int = 0


def chosen(provider: str, model: str, base_url: str | None) -> Choice:
    """A choice that can be stored. Raises InvalidError."""
    if provider not in PROVIDERS:
        raise InvalidError(f"the provider is none of {', '.join(PROVIDERS)}")
    name = model.strip()
    if not name or not name.isprintable():
        message = "the model's name is empty or holds control characters"
        raise InvalidError(message)
    if provider == CUSTOM:
        if not base_url:
            message = "the provider custom needs a base URL, such as http://127.0.0.1:11434/v1"
            raise InvalidError(message)
        return Choice(provider, name, checked_base_url(base_url))
    if base_url:
        raise InvalidError(f"a base URL belongs to the provider custom, not to {provider}")
    return Choice(provider, name)


def checked_base_url(text: str) -> str:
    """An http or https URL without credentials, query and trailing slash. Raises InvalidError.

    Where it leads is judged when it is called, after its name is resolved.
    """
    url = text.strip()
    parts = _split(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = "the base URL must start with http:// or https:// and name a host"
        raise InvalidError(message)
    if parts.username is not None or parts.password is not None:
        message = "the base URL must not hold credentials: put the key as CUSTOM_API_KEY"
        raise InvalidError(message)
    if parts.query or parts.fragment or "?" in url or "#" in url:
        message = "the base URL must not have a query or a fragment"
        raise InvalidError(message)
    return url.rstrip("/").removesuffix(_ENDPOINT).rstrip("/")


def _split(url: str) -> SplitResult:
    message = "the base URL is not readable"
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise InvalidError(message)
    try:
        parts = urlsplit(url)
        # Reading the port is what checks it.
        _ = parts.port
    except ValueError as exc:
        raise InvalidError(message) from exc
    return parts
