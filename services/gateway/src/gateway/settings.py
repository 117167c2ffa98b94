"""Everything the environment decides for the gateway."""

import base64
import binascii
import ipaddress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from common.settings import BusSettings
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

_KEY_BYTES = 32

Words = Annotated[tuple[str, ...], NoDecode]
"""Several values in one variable, separated by commas."""


Secrets = Annotated[tuple[SecretStr, ...], NoDecode]


class Settings(BusSettings):
    """Local mode trusts whoever reaches the port, so it binds to loopback and nothing else.

    Browsers log in where `oidc_client_id` is set; the issuer sends them back to `public_url` +
    `/auth/callback`.
    """

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", frozen=True)

    host: str = "127.0.0.1"
    """Where it listens; with `GATEWAY_AUTH=local` a loopback address."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Of the API and the pages, `/healthz`, `/readyz` and `/metrics`."""
    auth: Literal["local", "oidc"] = "local"
    """`local`: without a token everybody is the one local user. `oidc`: a bearer token of the
    issuer, an API token, or a login.
    """
    allowed_hosts: Words = ()
    """Further `Host` names to answer, separated by commas; in local mode its own are always
    answered, in oidc mode none given means all.
    """
    cors_origins: Words = ()
    """Other front ends, separated by commas; they need a token."""
    preview_domains: Words = ()
    """Preview proxies besides Daytona's own, `host[:port]` separated by commas: where an agent
    may be. `=address` behind one says on which machine.
    """

    local_issuer: str = "http://127.0.0.1:8000/local-issuer"
    """What the tokens of the local issuer say as `iss`."""
    local_audience: str = "tryskills"
    """What the tokens of the local issuer say as `aud`."""
    local_issuer_key_file: Path | None = None
    """Ed25519 private key (PEM) of the local issuer, for users besides the one; its public half
    is served at `/local-issuer/.well-known/jwks.json`.
    """

    oidc_issuer: str = ""
    """Whose tokens are good; the keys come from its discovery document."""
    oidc_audience: str = ""
    """For whom a token must be meant."""
    oidc_client_id: str = ""
    """As what browsers log in; without it they do not."""
    oidc_client_secret: SecretStr | None = None
    """Of that client, where the issuer wants one."""
    public_url: str = ""
    """The address that browsers use; the issuer sends them back to `/auth/callback` there."""
    cookie_key: SecretStr | None = None
    """Seals the cookies of logins: base64 of 32 bytes."""
    cookie_key_file: Path | None = None
    """The same, in a file."""
    cookie_key_previous: Secrets = ()
    """Earlier cookie keys, separated by commas: they open and never seal."""
    session_ttl: timedelta = timedelta(hours=12)
    """How long a login lasts."""

    requests_per_minute: int = Field(default=1200, ge=1)
    """Of one owner at one replica; more is 429."""
    address_requests_per_minute: int = Field(default=6000, ge=1)
    """From one address at one replica; more is 429."""
    requests_at_once: int = Field(default=1000, ge=1)
    """In all at one replica; more is 503."""
    owner_requests_at_once: int = Field(default=64, ge=1)
    """Of one owner at one replica; more is 429."""
    streams: int = Field(default=2000, ge=1)
    """Event streams open at one replica; more is 503."""
    owner_streams: int = Field(default=100, ge=1)
    """Event streams of one owner at one replica; more is 429."""
    trusted_proxies: Words = ()
    """Whose `X-Forwarded-For` names the caller's address, separated by commas: an ingress."""

    max_body_bytes: int = Field(default=1024 * 1024, ge=1024)
    """Of a request; more is 413."""
    max_upload_bytes: int = Field(default=12 * 1024 * 1024, ge=1024)
    """Of a request with files, and of `/v1/chat/completions` and `/api/hermes`."""
    viewer_buffer_bytes: int = Field(default=1024 * 1024, ge=1024)
    """How far a viewer may fall behind before its stream is ended; it comes back by number."""
    keepalive: timedelta = timedelta(seconds=15)
    """How often a silent stream says that it is there."""
    drain: timedelta = timedelta(seconds=10)
    """How long requests under way may take once it is told to stop."""
    example_skills: Words = (
        "examples/skills/hello",
        "examples/skills/word-count",
        "examples/skills/support-reply",
    )
    """Refs that the start page shows, separated by commas."""

    @field_validator(
        "allowed_hosts",
        "cors_origins",
        "preview_domains",
        "example_skills",
        "cookie_key_previous",
        "trusted_proxies",
        mode="before",
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
        if self.oidc_client_id:
            self._check_login()
        return self

    def _check_login(self) -> None:
        if self.auth != "oidc" or not is_acceptable_url(self.public_url):
            message = (
                "GATEWAY_OIDC_CLIENT_ID needs GATEWAY_AUTH=oidc and a GATEWAY_PUBLIC_URL of https"
            )
            raise ValueError(message)
        if (self.cookie_key is None) == (self.cookie_key_file is None):
            message = (
                "GATEWAY_OIDC_CLIENT_ID needs one of GATEWAY_COOKIE_KEY (base64 of 32 bytes:"
                " openssl rand -base64 32) and GATEWAY_COOKIE_KEY_FILE"
            )
            raise ValueError(message)
        self.cookie_keys()

    def cookie_keys(self) -> tuple[bytes, ...]:
        """The key that seals cookies, and earlier ones that still open them."""
        if self.cookie_key is not None:
            current = self.cookie_key.get_secret_value()
        else:
            current = self.cookie_key_file.read_text() if self.cookie_key_file else ""
        previous = (key.get_secret_value() for key in self.cookie_key_previous)
        return tuple(_key_of(text) for text in (current, *previous))

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def redirect_uri(self) -> str:
        return f"{self.public_url.rstrip('/')}/auth/callback"

    @property
    def hosts(self) -> tuple[str, ...]:
        """The `Host` headers to answer; empty answers all, which local mode never does."""
        if self.auth == "oidc":
            return self.allowed_hosts
        own = (f"{name}:{self.port}" for name in ("127.0.0.1", "localhost", "[::1]"))
        return (*own, *self.allowed_hosts)


def is_acceptable_url(url: str) -> bool:
    """Https anywhere, http on this machine alone; names below `.localhost` are it (RFC 6761)."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "https" or (
        parts.scheme == "http" and (_is_loopback(host) or host.endswith(".localhost"))
    )


def _key_of(text: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error as exc:
        message = "a cookie key is base64 of 32 bytes: openssl rand -base64 32"
        raise ValueError(message) from exc
    if len(key) != _KEY_BYTES:
        message = "a cookie key is base64 of 32 bytes: openssl rand -base64 32"
        raise ValueError(message)
    return key


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
