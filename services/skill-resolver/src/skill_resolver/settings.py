"""Everything the environment decides for the resolver, under `SKILL_RESOLVER_`."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Words = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="SKILL_RESOLVER_", frozen=True)

    github_codeload_url: str = "https://codeload.github.com"
    """Where archives come from."""
    github_web_url: str = "https://github.com"
    """Where git is spoken."""
    github_api_url: str = "https://api.github.com"
    """Where GitHub's API is."""
    github_token: SecretStr = SecretStr("")
    """Raises GitHub's limits. Use one without access to private repositories: what it can read,
    every user can try.
    """
    archive_begins_within: timedelta = timedelta(seconds=3)
    """An archive that begins later is left, and git is asked for single files."""
    archive_timeout: timedelta = timedelta(seconds=25)
    """An archive that begins later or takes longer is left, and git is asked for single files."""
    git_timeout: timedelta = timedelta(seconds=30)
    """For one command of git."""

    local_roots: Words = ()
    """Directories and addresses of git servers whose skills may be tried: `label=path`, a path,
    `label=https://...` or an address, separated by commas. Their skills are
    `local/<label>/<skill>`.
    """
    local_base: Path = Path()
    """What a relative path in `LOCAL_ROOTS` is relative to; empty is the working directory."""
    own_hosts: Words = ("127.0.0.1:8000", "localhost:8000")
    """Hosts (with their port) of this platform's pages, whose paths are read like those of
    skills.sh.
    """
    policy_file: Path | None = None
    """How findings are weighed; read again when it changes."""

    max_skill_files: int = 3000
    """Of one skill."""
    max_skill_bytes: int = 32 * 1024 * 1024
    """Of one skill."""
    max_archive_bytes: int = 160 * 1024 * 1024
    """Of a repository's archive, unpacked."""
    snapshot_disk_bytes: int = 2 * 1024**3
    """What unpacked repositories that are kept at hand may take, in temporary files."""
    forget_after: timedelta = timedelta(days=30)
    """An answer that nobody asks for any more is dropped, and then its bundle and report."""

    health_host: str = "127.0.0.1"
    """Where the side port listens."""
    health_port: int = 8102
    """`/healthz`, `/readyz`, `/metrics`."""

    @field_validator("local_roots", "own_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(word.strip() for word in value.split(",") if word.strip())
        return value

    @field_validator("github_codeload_url", "github_web_url", "github_api_url")
    @classmethod
    def _bare(cls, value: str) -> str:
        return value.rstrip("/")


def environment_of_git() -> dict[str, str]:
    """What git needs of this process's environment: where programs, proxies and certificates are;
    no secret of the service.
    """
    proxies = [f"{kind}_proxy" for kind in ("http", "https", "all", "no")]
    names = ["PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", *proxies, *(n.upper() for n in proxies)]
    return {name: os.environ[name] for name in names if name in os.environ}
