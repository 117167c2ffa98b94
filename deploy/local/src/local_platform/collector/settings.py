"""What the environment decides for the collector."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """4318 is the port of OTLP over HTTP."""

    model_config = SettingsConfigDict(env_prefix="COLLECTOR_", frozen=True)

    host: str = "0.0.0.0"
    port: int = Field(default=4318, ge=0, le=65535)
