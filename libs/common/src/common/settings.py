"""What every service reads from the environment under its common name."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class SharedSettings(BaseSettings):
    """The infrastructure all services share; a service's own settings carry its prefix."""

    model_config = SettingsConfigDict(frozen=True)

    nats_url: SecretStr = Field(validation_alias="NATS_URL")
    mongodb_uri: SecretStr = Field(validation_alias="MONGODB_URI")
    deployment_id: str = Field(validation_alias="DEPLOYMENT_ID", pattern=r"^[a-z0-9-]{1,40}$")
    otel_endpoint: str | None = Field(default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    log_level: str = Field(default="INFO", validation_alias="LOG_LEVEL")
    stream_replicas: int = Field(default=1, validation_alias="STREAM_REPLICAS", ge=1, le=5)
