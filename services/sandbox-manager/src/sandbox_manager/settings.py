"""Everything the environment decides."""

import base64
import os
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from common.settings import SharedSettings
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

_KEY_BYTES = 32
_PRIVATE_NAMES = (".internal", ".local", ".localhost", ".lan")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Settings(SharedSettings):
    """What this service reads on top of what all share."""

    model_config = SettingsConfigDict(env_prefix="SANDBOX_MANAGER_")

    daytona_api_url: str = Field(validation_alias="DAYTONA_API_URL")
    daytona_api_key: SecretStr = Field(validation_alias="DAYTONA_API_KEY")
    relay_public_url: str = Field(validation_alias="RELAY_PUBLIC_URL")
    own_account_api_url: str = "https://app.daytona.io/api"
    health_host: str = "127.0.0.1"
    health_port: int = 8103
    seal_key: SecretStr | None = None
    seal_key_file: Path | None = None
    preview_domains: Annotated[tuple[str, ...], NoDecode] = ()
    snapshot: str = "tryskills-hermes-0.19.0"
    image: str | None = None
    bare_image: str | None = "python:3.12-slim-bookworm"
    hermes: str = "hermes-agent==0.19.0"
    isolation: str = "sandbox"
    context_length: int = 131_072
    max_tokens: int = 8_192
    stop_after: timedelta = timedelta(minutes=30)
    archive_after: timedelta = timedelta(days=2)
    delete_after: timedelta = timedelta(days=7)
    tab_limit: timedelta = timedelta(hours=4)
    agent_start: timedelta = timedelta(seconds=60)
    claim_ttl: timedelta = timedelta(seconds=30)
    orphan_grace: timedelta = timedelta(minutes=5)
    reconcile_every: timedelta = timedelta(minutes=1)
    most_sandboxes: int = 1_000
    most_creates: int = Field(default=32, ge=1)
    most_launches: int = 20
    most_turns: int = 8
    allowed_digests_file: Path | None = None

    @field_validator("preview_domains", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @model_validator(mode="after")
    def _has_key(self) -> Self:
        self.key()
        return self

    def key(self) -> bytes:
        """The key that seals and hashes: base64 of 32 bytes, given directly or in a file."""
        if self.seal_key is not None:
            text = self.seal_key.get_secret_value()
        elif self.seal_key_file is not None:
            text = self.seal_key_file.read_text()
        else:
            message = "set SANDBOX_MANAGER_SEAL_KEY or SANDBOX_MANAGER_SEAL_KEY_FILE"
            raise ValueError(message)
        key = base64.b64decode(text.strip(), validate=True)
        if len(key) != _KEY_BYTES:
            message = "the sealing key must be base64 of 32 bytes"
            raise ValueError(message)
        return key

    @property
    def is_relay_public(self) -> bool:
        """Whether a sandbox somewhere else could reach the relay by its address."""
        host = urlsplit(self.relay_public_url).hostname or ""
        try:
            return ip_address(host).is_global
        except ValueError:
            return "." in host and not host.endswith(_PRIVATE_NAMES)

    def allowed_digests(self) -> frozenset[str]:
        """Digests, one a line, that run although the safety check blocks them."""
        if self.allowed_digests_file is None:
            return frozenset()
        return frozenset(self.allowed_digests_file.read_text().split())


def load() -> Settings:
    """Read the environment. A proxy named there is never used for a provider on this machine."""
    settings = Settings()
    if urlsplit(settings.daytona_api_url).hostname in _LOOPBACK:
        for name in ("NO_PROXY", "no_proxy"):
            known = os.environ.get(name, "")
            os.environ[name] = ",".join(filter(None, [known, *sorted(_LOOPBACK)]))
    return settings
