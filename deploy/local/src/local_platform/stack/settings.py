"""What the environment decides for the local platform itself."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from local_platform.stack.layout import Layout
from local_platform.stack.scaled import Nodes, Scale


class Settings(BaseSettings):
    """`ports` free picks a free port for everything that has none of its own, for a second stack.

    A port of one process is set by name, as `LOCAL_PORT_GATEWAY=8001`. `replicas` of every service
    run behind one front door, and `nats_nodes` servers of NATS are a cluster.
    """

    model_config = SettingsConfigDict(env_prefix="LOCAL_", frozen=True)

    dir: Path = Path(".local")
    ports: Literal["fixed", "free"] = "fixed"
    replicas: int = Field(default=1, ge=1, le=9)
    nats_nodes: Nodes = "1"
    ready_timeout_s: float = Field(default=180.0, gt=0)
    min_free_mb: int = Field(default=1024, ge=0)

    @property
    def scale(self) -> Scale:
        return Scale(self.replicas, int(self.nats_nodes))

    @property
    def layout(self) -> Layout:
        return Layout(self.dir.absolute())


def operator_environment() -> Mapping[str, str]:
    """The environment that `make up` was called with."""
    return dict(os.environ)
