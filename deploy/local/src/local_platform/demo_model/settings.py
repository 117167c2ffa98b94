"""What the environment decides for the demo model."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """`api_key` is checked only when it is set; `record` keeps requests for `GET /__log`."""

    model_config = SettingsConfigDict(env_prefix="DEMO_MODEL_", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8091, ge=0, le=65535)
    api_key: SecretStr | None = None
    context_length: int = Field(default=131_072, ge=1)
    chunks_per_second: float = Field(default=80.0, ge=0)
    record: bool = False
