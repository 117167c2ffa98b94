"""Everything the environment decides for the gateway."""

import ipaddress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from common.settings import BusSettings
from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

Words = Annotated[tuple[str, ...], NoDecode]
"""Several values in one variable, separated by commas."""


class Settings(BusSettings):
    """Local mode trusts whoever reaches the port, so it binds to loopback and nothing else."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    auth: Literal["local", "oidc"] = "local"
    allowed_hosts: Words = ()
    cors_origins: Words = ()
    preview_domains: Words = ()

    local_issuer: str = "http://127.0.0.1:8000/local-issuer"
    local_audience: str = "tryskills"
    local_issuer_key_file: Path | None = None

    oidc_issuer: str = ""
    oidc_audience: str = ""

    max_body_bytes: int = Field(default=1024 * 1024, ge=1024)
    max_upload_bytes: int = Field(default=12 * 1024 * 1024, ge=1024)
    viewer_buffer_bytes: int = Field(default=1024 * 1024, ge=1024)
    keepalive: timedelta = timedelta(seconds=15)
    drain: timedelta = timedelta(seconds=10)
    example_skills: Words = (
        "examples/skills/hello",
        "examples/skills/word-count",
        "examples/skills/support-reply",
    )

    @field_validator(
        "allowed_hosts", "cors_origins", "preview_domains", "example_skills", mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(word.strip() for word in value.split(",") if word.strip())
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.auth == "local" and not _is_loopback(self.host):
            message = "GATEWAY_AUTH=local trusts every caller: GATEWAY_HOST must be a loopback one"
            raise ValueError(message)
        if self.auth == "oidc" and not (self.oidc_issuer and self.oidc_audience):
            message = "GATEWAY_AUTH=oidc needs GATEWAY_OIDC_ISSUER and GATEWAY_OIDC_AUDIENCE"
            raise ValueError(message)
        return self

    @property
    def hosts(self) -> tuple[str, ...]:
        """The `Host` headers to answer; empty answers all, which local mode never does."""
        if self.auth == "oidc":
            return self.allowed_hosts
        own = (f"{name}:{self.port}" for name in ("127.0.0.1", "localhost", "[::1]"))
        return (*own, *self.allowed_hosts)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
