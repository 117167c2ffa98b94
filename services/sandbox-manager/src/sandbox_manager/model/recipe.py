"""How a snapshot is made: Hermes in a place of root's, and a user of its own that runs it."""

import base64
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

BASE_IMAGE = "python:3.12-slim-bookworm"
PACKAGES = ("ca-certificates", "curl", "git", "jq", "procps", "ripgrep")
HERMES_PLACE = "/opt/hermes"
MANAGED_PLACE = "/etc/hermes"
USER = "daytona"


@dataclass(frozen=True)
class Recipe:
    """`as_root` runs first; the image ends as `user`."""

    base: str
    as_root: tuple[str, ...]
    environment: Mapping[str, str]
    user: str
    work_directory: str


def recipe(hermes: str, managed: Mapping[str, bytes]) -> Recipe:
    """`hermes` is a pinned requirement; `managed` are the files a tenant must not change."""
    return Recipe(
        base=BASE_IMAGE,
        as_root=(
            "apt-get update && apt-get install -y --no-install-recommends "
            f"{' '.join(PACKAGES)} && rm -rf /var/lib/apt/lists/*",
            f"python -m venv {HERMES_PLACE} && {HERMES_PLACE}/bin/pip install --no-cache-dir "
            f"{shlex.quote(hermes)} aiohttp",
            f"mkdir -p {MANAGED_PLACE}",
            *(_file(f"{MANAGED_PLACE}/{name}", content) for name, content in managed.items()),
            f"chown -R root:root {MANAGED_PLACE} {HERMES_PLACE} && "
            f"chmod -R u=rwX,go=rX {MANAGED_PLACE} {HERMES_PLACE}",
            f"useradd --create-home --shell /bin/bash {USER}",
        ),
        environment={
            "PATH": f"{HERMES_PLACE}/bin:/usr/local/bin:/usr/bin:/bin",
            "HERMES_MANAGED_DIR": MANAGED_PLACE,
            "HERMES_GATEWAY_MAX_STARTS": "0",
        },
        user=USER,
        work_directory=f"/home/{USER}",
    )


def _file(path: str, content: bytes) -> str:
    return f"echo {base64.b64encode(content).decode()} | base64 -d > {shlex.quote(path)}"


def next_name(base: str, now: datetime) -> str:
    """A name that was never used: a snapshot is replaced by another, not changed."""
    return f"{base}-{now:%Y%m%d%H%M%S}"
