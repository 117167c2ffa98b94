"""Where the bus and the store are; the bus under the user `operator`."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, hide_input_in_errors=True)

    nats_url: SecretStr = Field(validation_alias="NATS_URL")
    """The bus, under the user `operator`."""
    mongodb_uri: SecretStr = Field(validation_alias="MONGODB_URI")
    """The store."""
