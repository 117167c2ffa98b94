"""Everything the environment decides for this service."""

from datetime import timedelta
from typing import Annotated

from common.settings import SharedSettings
from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode, SettingsConfigDict


def _split(value: object) -> object:
    return [part for part in value.split(",") if part] if isinstance(value, str) else value


class Settings(SharedSettings):
    """`preview_domains` (comma-separated `host[:port]`) are preview proxies besides Daytona's own.

    `approval_ttl` must stay below the time after which the agent itself gives up
    (`agent_approval_ttl`). `daily_tokens` of one owner refuse the owner's next turn.
    """

    model_config = SettingsConfigDict(env_prefix="CHAT_PROXY_")

    health_host: str = "127.0.0.1"
    """Where the side port listens."""
    health_port: int = Field(default=8104, ge=0, le=65535)
    """`/healthz`, `/readyz`, `/metrics`."""
    preview_domains: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = ()
    """Preview proxies besides Daytona's own, `host[:port]` separated by commas. `=address`
    behind one says on which machine.
    """
    agent_rest: timedelta = timedelta(seconds=60)
    """How long a conversation stays connected after its turn."""
    approval_ttl: timedelta = timedelta(seconds=270)
    """When an approval that nobody answers expires here."""
    agent_approval_ttl: timedelta = timedelta(seconds=300)
    """When the agent itself gives up on one; must be later."""
    reattach: timedelta = timedelta(seconds=45)
    """How long a lost agent is sought."""
    silence: timedelta = timedelta(minutes=30)
    """How long a silent agent is waited for."""
    turns_per_owner: int = Field(default=20, ge=1)
    """At once."""
    daily_tokens: int | None = Field(default=None, ge=1)
    """That an owner may use a day; the next turn is refused, and the relay reads it too."""
    answer_chars: int = Field(default=2_000_000, ge=1_000)
    """Of one answer."""
