"""From a sandbox's record to everything its start needs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from local_platform.daytona.addresses import Policy
from local_platform.daytona.bubblewrap import (
    FORWARDER,
    HERMES,
    HOME,
    MANAGED,
    TOOLBOX,
    Jail,
    Mount,
    user_for,
)
from local_platform.daytona.egress import PROXY_PORT, PROXY_VARIABLES
from local_platform.daytona.errors import BadRequestError
from local_platform.daytona.homes import Homes
from local_platform.daytona.limits import GIB, Bounds
from local_platform.daytona.machine import Blueprint
from local_platform.daytona.model import Sandbox
from local_platform.daytona.prepared import PreparedRoots
from local_platform.daytona.settings import Settings

PATH = "/opt/hermes/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Below these a volume may not lie: they are the sandbox's own system.
RESERVED = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/etc",
    "/proc",
    "/dev",
    "/sys",
    "/run",
    "/opt",
    "/home/daytona/.daytona",
)


@dataclass(frozen=True)
class Planner:
    settings: Settings
    homes: Homes
    roots: PreparedRoots
    toolbox: Path
    sockets: Path

    @property
    def is_alone(self) -> bool:
        """Without isolation all sandboxes would share one home path and one network."""
        return self.settings.isolation == "none"

    @property
    def first_uid(self) -> int:
        return self.settings.first_uid

    @property
    def ready_timeout_s(self) -> float:
        return self.settings.ready_timeout.total_seconds()

    def blueprint(self, sandbox: Sandbox, policy: Policy) -> Blueprint:
        bounds = Bounds(
            memory=sandbox.memory * GIB,
            processes=self.settings.max_processes,
            file_size=sandbox.disk * GIB,
        )
        isolated = self.settings.isolation == "bubblewrap"
        env = self._inside(sandbox) if isolated else self._outside(sandbox)
        return Blueprint(
            name=sandbox.id,
            jail=self._jail(sandbox, env) if isolated else None,
            env={} if isolated else env,
            home=self.homes.home(sandbox.id),
            root=self.roots.environment,
            toolbox=self.toolbox,
            bounds=bounds,
            forwards=self.settings.named_forwards,
            policy=policy,
            sockets=self.sockets,
        )

    def _jail(self, sandbox: Sandbox, env: dict[str, str]) -> Jail:
        user_id = user_for(sandbox.number, self.first_uid)
        etc = self.homes.write_etc(sandbox.id, user_id, self.settings.named_forwards)
        return Jail(
            user_id=user_id,
            hostname=sandbox.id[:8],
            env=env,
            mounts=(
                Mount(self.roots.environment, HERMES),
                Mount(self.roots.managed, MANAGED),
                Mount(self.toolbox, TOOLBOX),
                *(Mount(path, Path("/etc") / path.name) for path in sorted(etc.iterdir())),
                Mount(self.homes.home(sandbox.id), HOME, writable=True),
                *self._volumes(sandbox),
                Mount(self.sockets / f"{sandbox.id}.e", FORWARDER),
            ),
            tmp_bytes=sandbox.memory * GIB // 2,
        )

    def _volumes(self, sandbox: Sandbox) -> Iterator[Mount]:
        for volume in sandbox.volumes:
            folder = self.homes.volume(volume.volume_id)
            yield Mount(folder, Path(volume.mount_path), writable=True, below=volume.subpath)

    def _common(self, sandbox: Sandbox) -> dict[str, str]:
        return {
            "USER": "daytona",
            "LOGNAME": "daytona",
            "LANG": "C.UTF-8",
            "HERMES_GATEWAY_MAX_STARTS": "0",
            "DAYTONA_SANDBOX_ID": sandbox.id,
            "DAYTONA_SANDBOX_USER": sandbox.user,
            "DAYTONA_SANDBOX_SNAPSHOT": sandbox.snapshot,
        }

    def _inside(self, sandbox: Sandbox) -> dict[str, str]:
        proxy = f"http://127.0.0.1:{PROXY_PORT}"
        direct = ["localhost", "127.0.0.1", "::1"]
        direct += [forward.name for forward in self.settings.named_forwards]
        proxies = dict.fromkeys(PROXY_VARIABLES, proxy)
        none = {name: ",".join(direct) for name in ("NO_PROXY", "no_proxy")}
        own = {
            "HOME": str(HOME),
            "PATH": PATH,
            "HERMES_MANAGED_DIR": str(MANAGED),
            "SHELL": "/bin/bash",
        }
        return self._common(sandbox) | own | proxies | none | sandbox.env

    def _outside(self, sandbox: Sandbox) -> dict[str, str]:
        """Without isolation: this machine's files and network, and a home that is linked to."""
        self.homes.link(sandbox.id)
        bin_folder = self.roots.environment / "bin"
        own = {
            "HOME": str(HOME if self.homes.is_linked(sandbox.id) else self.homes.home(sandbox.id)),
            "PATH": f"{bin_folder}:{PATH.partition(':')[2]}",
            "HERMES_MANAGED_DIR": str(self.roots.managed),
        }
        return self._common(sandbox) | own | sandbox.env


def mount_path(text: str) -> str:
    """A volume's place in the sandbox. Raises BadRequestError where it would hide the system."""
    path = PurePosixPath(text)
    plain = "/" + "/".join(path.parts[1:])
    if not path.is_absolute() or ".." in path.parts or plain == "/":
        raise BadRequestError(f"{text} is no absolute mount path")
    if any(
        plain == place or plain.startswith(f"{place}/")
        for place in (*RESERVED, "/home/daytona/.daytona")
    ):
        raise BadRequestError(f"{text} is a part of the system")
    if plain in {"/home", "/home/daytona", "/tmp"}:
        raise BadRequestError(f"{text} is a part of the system")
    return plain


def subpath(text: str | None) -> str | None:
    if not text:
        return None
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts:
        raise BadRequestError(f"{text} leads out of the volume")
    return str(path)
