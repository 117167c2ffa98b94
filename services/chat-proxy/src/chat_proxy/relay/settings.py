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
    """Where it listens; sandboxes must reach it."""
    port: int = Field(default=8090, ge=0, le=65535)
    """Of the relay, `/healthz`, `/readyz` and `/metrics`."""
    demo_url: str | None = "http://127.0.0.1:8091/v1"
    """The demo model; empty is none."""
    allow_private: bool = False
    """Owners may name hosts in private networks, for an Ollama or vLLM of theirs."""
    daily_tokens: int | None = Field(
        default=None, ge=1, validation_alias="CHAT_PROXY_DAILY_TOKENS"
    )
    """chat-proxy's cap, held here too."""
    concurrent_per_owner: int = Field(default=16, ge=1)
    """Calls of one owner at once."""
    max_body_bytes: int = Field(default=20 * 1024 * 1024, ge=1024)
    """Of a call."""
    connect_s: float = Field(default=10, gt=0)
    """Seconds until a provider must have accepted the connection."""
    first_byte_s: float = Field(default=120, gt=0)
    """Seconds until its answer must have begun."""
    whole_answer_s: float = Field(default=300, gt=0)
    """Seconds until an answer that is not streamed must be whole."""
    idle_s: float = Field(default=90, gt=0)
    """Seconds that a stream may be silent."""
    drain_s: float = Field(default=20, ge=0)
    """Seconds that calls under way may take once it is told to stop."""
