"""Everything the environment decides about the local sandbox host."""

from datetime import timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Forward(NamedTuple):
    """A name and port that exist inside every sandbox and lead to one address of the host."""

    name: str
    port: int
    host: str
    host_port: int


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="LOCAL_DAYTONA_", frozen=True)

    api_key: SecretStr = Field(min_length=8)
    host: str = "127.0.0.1"
    port: int = Field(default=13986, ge=1, le=65535)
    data_dir: Path = Path(".local/daytona")
    roots_dir: Path | None = None
    proxy_domain: str = "proxy.localhost"
    snapshot: str = "tryskills-hermes-0.19.0"
    isolation: Literal["bubblewrap", "none"] = "bubblewrap"
    forwards: str = ""
    cpu: int = Field(default=2, ge=1)
    memory_gib: int = Field(default=2, ge=1)
    disk_gib: int = Field(default=5, ge=1)
    max_processes: int = Field(default=512, ge=32)
    first_uid: int = 200_000
    ready_timeout: timedelta = timedelta(seconds=30)
    timer_interval: timedelta = timedelta(seconds=10)

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("forwards")
    @classmethod
    def _readable(cls, value: str) -> str:
        parse_forwards(value)
        return value

    @property
    def named_forwards(self) -> tuple[Forward, ...]:
        return parse_forwards(self.forwards)

    @property
    def public_host(self) -> str:
        return "127.0.0.1" if self.host in {"0.0.0.0", "::", ""} else self.host

    @property
    def url(self) -> str:
        return f"http://{self.public_host}:{self.port}"

    @property
    def preview_template(self) -> str:
        """Daytona's placeholders; the second stands for a sandbox's id or a signed token."""
        return f"http://{{{{PORT}}}}-{{{{sandboxId}}}}.{self.proxy_domain}:{self.port}"

    @property
    def prepared_dir(self) -> Path:
        """Where prepared roots are; several hosts may share one folder."""
        return (self.roots_dir or self.data_dir / "roots").expanduser().absolute()


def parse_forwards(text: str) -> tuple[Forward, ...]:
    """Read `name:port=host:port`, separated by commas."""
    found = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        inside, _, outside = item.partition("=")
        name, _, port = inside.rpartition(":")
        host, _, host_port = outside.rpartition(":")
        if not (name and host and port.isdecimal() and host_port.isdecimal()):
            raise ValueError(f"{item!r} is not name:port=host:port")
        found.append(Forward(name.lower(), int(port), host, int(host_port)))
    return tuple(found)
