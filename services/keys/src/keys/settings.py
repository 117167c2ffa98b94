"""Everything the environment decides for this service."""

import base64
import binascii
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from common.providers import PROVIDERS
from common.settings import SharedSettings
from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

_KEY_BYTES = 32


def _split(value: object) -> object:
    return [part for part in value.split(",") if part] if isinstance(value, str) else value


class Settings(SharedSettings):
    """The master key is base64 of 32 bytes, given itself or as a file that holds it.

    `master_key_previous` (comma-separated) opens what was wrapped before a rotation.
    """

    model_config = SettingsConfigDict(env_prefix="KEYS_")

    master_key: SecretStr | None = None
    """Wraps the keys of all owners: base64 of 32 bytes, `openssl rand -base64 32`. This or the
    file.
    """
    master_key_file: Path | None = None
    """The same, in a file."""
    master_key_previous: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)] = ()
    """Master keys from before a rotation, separated by commas: they open and never wrap."""
    default_provider: str = "demo"
    """The LLM provider of owners who chose none."""
    default_model: str = ""
    """The model of owners who chose none; empty is the provider's own default."""
    health_host: str = "127.0.0.1"
    """Where the side port listens."""
    health_port: int = Field(default=8101, ge=0, le=65535)
    """`/healthz`, `/readyz`, `/metrics`."""
    audit_retention: timedelta = timedelta(days=365)
    """How long it is kept who was given which secret."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.master_key is None) == (self.master_key_file is None):
            message = "set one of KEYS_MASTER_KEY (base64 of 32 bytes) and KEYS_MASTER_KEY_FILE"
            raise ValueError(message)
        if self.default_provider not in PROVIDERS or self.default_provider == "custom":
            message = "KEYS_DEFAULT_PROVIDER is none of the known providers"
            raise ValueError(message)
        return self

    def current_key(self) -> bytes:
        """The master key that wraps from now on."""
        if self.master_key_file is not None:
            return decoded(self.master_key_file.read_text(), str(self.master_key_file))
        given = self.master_key.get_secret_value() if self.master_key else ""
        return decoded(given, "KEYS_MASTER_KEY")

    def previous_keys(self) -> list[bytes]:
        """Master keys that only open."""
        name = "KEYS_MASTER_KEY_PREVIOUS"
        return [decoded(key.get_secret_value(), name) for key in self.master_key_previous]


def decoded(text: str, source: str) -> bytes:
    """The key; an error names where it came from and never repeats it."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        message = f"{source} does not hold base64 of {_KEY_BYTES} bytes"
        raise ValueError(message)
    return key
