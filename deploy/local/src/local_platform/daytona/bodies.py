"""What callers may send to the control plane."""

import json
from typing import Annotated, TypeVar

from aiohttp import web
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from local_platform.daytona.errors import BadRequestError


def clean(text: str) -> str:
    if "\0" in text:
        msg = "holds a NUL character"
        raise ValueError(msg)
    return text


def variable(name: str) -> str:
    if not name or "=" in clean(name):
        msg = "is no variable name"
        raise ValueError(msg)
    return name


Text = Annotated[str, AfterValidator(clean)]
Variable = Annotated[str, AfterValidator(variable)]
Name = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(clean)]


class Body(BaseModel):
    """Fields of a newer SDK that mean nothing here are let pass."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True
    )


class VolumeBody(Body):
    volume_id: Name
    mount_path: Text
    subpath: Text | None = None


class BuildInfo(Body):
    dockerfile_content: str = Field(min_length=1)
    context_hashes: list[str] | None = None


class CreateSandbox(Body):
    name: Name | None = None
    snapshot: Text | None = None
    user: Text | None = None
    env: dict[Variable, Text] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    public: StrictBool = False
    target: str | None = None
    cpu: StrictInt | None = Field(default=None, ge=1, le=64)
    memory: StrictInt | None = Field(default=None, ge=1, le=256)
    disk: StrictInt | None = Field(default=None, ge=1, le=1024)
    gpu: StrictInt | None = None
    auto_stop_interval: StrictInt | None = Field(default=None, ge=0)
    auto_pause_interval: StrictInt | None = Field(default=None, ge=0)
    auto_archive_interval: StrictInt | None = Field(default=None, ge=0)
    auto_delete_interval: StrictInt | None = None
    ttl_minutes: StrictInt | None = Field(default=None, ge=0)
    volumes: list[VolumeBody] = Field(default_factory=list)
    network_block_all: StrictBool = False
    network_allow_list: str | None = None
    domain_allow_list: str | None = None
    build_info: BuildInfo | None = None
    kvm: StrictBool = False
    secrets: list[dict[str, str]] | dict[str, str] | None = None
    outbound_proxy_url: str | None = None
    linked_sandbox: str | None = None


class Labels(Body):
    labels: dict[str, str]


class NetworkSettings(Body):
    network_block_all: StrictBool | None = None
    network_allow_list: str | None = None
    domain_allow_list: str | None = None


class CreateSnapshot(Body):
    name: Name
    image_name: str | None = None
    build_info: BuildInfo | None = None
    entrypoint: list[str] | None = None
    cpu: StrictInt | None = Field(default=None, ge=1, le=64)
    memory: StrictInt | None = Field(default=None, ge=1, le=256)
    disk: StrictInt | None = Field(default=None, ge=1, le=1024)
    gpu: StrictInt | None = None


class CreateVolume(Body):
    name: Name


B = TypeVar("B", bound=Body)


async def read(request: web.Request, kind: type[B]) -> B:
    """Raises BadRequestError with one line per field that is wrong."""
    raw = await request.read()
    try:
        return kind.model_validate(json.loads(raw or b"{}"))
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise BadRequestError("; ".join(problems)) from error
    except ValueError as error:
        msg = "the body is not JSON"
        raise BadRequestError(msg) from error


def number(text: str, *, lowest: int, name: str, highest: int = 2**31) -> int:
    try:
        value = int(text)
    except ValueError as error:
        raise BadRequestError(f"{name} is not a number") from error
    if not lowest <= value <= highest:
        raise BadRequestError(f"{name} must be between {lowest} and {highest}")
    return value
