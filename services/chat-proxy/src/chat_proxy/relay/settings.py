"""Everything the environment decides for the relay."""

from common.settings import SharedSettings
from pydantic import Field
from pydantic_settings import SettingsConfigDict


class Settings(SharedSettings):
    """`allow_private` lets owners name hosts in private networks, for a local Ollama or vLLM; the
    demo model's address is the operator's and always allowed. `daily_tokens` is chat-proxy's cap.
    """

    model_config = SettingsConfigDict(env_prefix="RELAY_")

    host: str = "127.0.0.1"
    port: int = Field(default=8090, ge=0, le=65535)
    demo_url: str | None = "http://127.0.0.1:8091/v1"
    allow_private: bool = False
    daily_tokens: int | None = Field(
        default=None, ge=1, validation_alias="CHAT_PROXY_DAILY_TOKENS"
    )
    concurrent_per_owner: int = Field(default=16, ge=1)
    max_body_bytes: int = Field(default=20 * 1024 * 1024, ge=1024)
    connect_s: float = Field(default=10, gt=0)
    first_byte_s: float = Field(default=120, gt=0)
    whole_answer_s: float = Field(default=300, gt=0)
    idle_s: float = Field(default=90, gt=0)
    drain_s: float = Field(default=20, ge=0)
