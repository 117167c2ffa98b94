"""What every service reads from the environment under its common name."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from common.telemetry import Telemetry


class BusSettings(BaseSettings):
    """What a service needs that stores nothing; a service's own settings carry its prefix.

    With `tls://` in its URL the bus is spoken to over TLS; `nats_ca_file` (PEM) is for a server
    whose certificate no public authority signed.
    """

    # An error would otherwise print everything that was read, secrets too.
    model_config = SettingsConfigDict(frozen=True, hide_input_in_errors=True)

    nats_url: SecretStr = Field(validation_alias="NATS_URL")
    """The bus, under this service's own user; several servers separated by commas, the login in
    the first.
    """
    nats_ca_file: Path | None = Field(default=None, validation_alias="NATS_CA_FILE")
    """PEM of the authority that signed the bus' certificate, where no public one did."""
    otel_endpoint: str | None = Field(default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    """Where traces and metrics go over OTLP/HTTP; without it nowhere."""
    traced: float = Field(default=1.0, ge=0, le=1, validation_alias="OTEL_TRACES_SAMPLER_ARG")
    """The share of traces that is kept, 0 to 1."""
    log_level: str = Field(default="INFO", validation_alias="LOG_LEVEL")
    """`DEBUG`, `INFO`, `WARNING` or `ERROR`."""

    @property
    def telemetry(self) -> Telemetry:
        return Telemetry(self.log_level, self.otel_endpoint, self.traced)


class SharedSettings(BusSettings):
    """The infrastructure all services share that store something."""

    mongodb_uri: SecretStr = Field(validation_alias="MONGODB_URI")
    """The store; each service has a database of its own in it."""
    deployment_id: str = Field(validation_alias="DEPLOYMENT_ID", pattern=r"^[a-z0-9-]{1,40}$")
    """Names this deployment on every sandbox; the same for all services, and for ever."""
    stream_replicas: int = Field(default=1, validation_alias="STREAM_REPLICAS", ge=1, le=5)
    """Copies of each stream: 3 on a cluster of NATS; keys makes the streams."""
