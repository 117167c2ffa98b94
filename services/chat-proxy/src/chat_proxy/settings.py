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
    health_port: int = Field(default=8104, ge=0, le=65535)
    preview_domains: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = ()
    agent_rest: timedelta = timedelta(seconds=60)
    approval_ttl: timedelta = timedelta(seconds=270)
    agent_approval_ttl: timedelta = timedelta(seconds=300)
    reattach: timedelta = timedelta(seconds=45)
    silence: timedelta = timedelta(minutes=30)
    turns_per_owner: int = Field(default=20, ge=1)
    daily_tokens: int | None = Field(default=None, ge=1)
    answer_chars: int = Field(default=2_000_000, ge=1_000)
