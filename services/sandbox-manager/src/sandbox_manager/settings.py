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
    """Where sandboxes come from; on one machine the local host."""
    daytona_api_key: SecretStr = Field(validation_alias="DAYTONA_API_KEY")
    """The operator's account there."""
    relay_public_url: str = Field(validation_alias="RELAY_PUBLIC_URL")
    """The model relay as sandboxes reach it."""
    own_account_api_url: str = "https://app.daytona.io/api"
    """Where the keys that owners enter for accounts of their own are good."""
    health_host: str = "127.0.0.1"
    """Where the side port listens."""
    health_port: int = 8103
    """`/healthz`, `/readyz`, `/metrics`."""
    seal_key: SecretStr | None = None
    """Seals what must be read again and keys the config hash: base64 of 32 bytes. This or the
    file.
    """
    seal_key_file: Path | None = None
    """The same, in a file."""
    preview_domains: Annotated[tuple[str, ...], NoDecode] = ()
    """Preview proxies besides Daytona's own, `host[:port]` separated by commas. `=address`
    behind one says on which machine.
    """
    snapshot: str = "tryskills-hermes-0.19.0"
    """What a sandbox is made from first."""
    image: str | None = None
    """... where that snapshot is missing."""
    bare_image: str | None = "python:3.12-slim-bookworm"
    """... and where both are; Hermes is installed into it by pip."""
    hermes: str = "hermes-agent==0.19.0"
    """Which Hermes goes into a bare image."""
    isolation: str = "sandbox"
    """What pages say of it: `sandbox`, or `none` where a local host runs skills without one."""
    context_length: int = 131_072
    """Of the model, as Hermes is told, in tokens."""
    max_tokens: int = 8_192
    """Of one answer of the model, as Hermes is told."""
    stop_after: timedelta = timedelta(minutes=30)
    """A sandbox that nobody uses for so long is stopped."""
    archive_after: timedelta = timedelta(days=2)
    """The provider's own timer: archived so long after the stop."""
    delete_after: timedelta = timedelta(days=7)
    """The provider's own timer: deleted so long after the stop."""
    tab_limit: timedelta = timedelta(hours=4)
    """How long an open tab alone keeps a sandbox running, from the last launch or turn."""
    agent_start: timedelta = timedelta(seconds=60)
    """How long an agent may take to answer."""
    claim_ttl: timedelta = timedelta(seconds=30)
    """A worker's claim on a launch; it is renewed, and due ones are looked for, every third of
    it.
    """
    orphan_grace: timedelta = timedelta(minutes=5)
    """How long a sandbox without a record is left alone."""
    reconcile_every: timedelta = timedelta(minutes=1)
    """How often records and provider are compared."""
    most_sandboxes: int = 1_000
    """In the operator's account."""
    most_creates: int = Field(default=32, ge=1)
    """That one process drives at once; others wait for their turn."""
    most_launches: int = 20
    """Of one owner at once."""
    most_turns: int = 8
    """Of one owner at once."""
    allowed_digests_file: Path | None = None
    """Digests, one a line, that run although the safety check blocks them; an operator's block
    still holds.
    """

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
