"""Bounds on memory and processes: control groups where this user may make them, rlimits always."""

import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

logger = logging.getLogger(__name__)

MOUNT = Path("/sys/fs/cgroup")
GIB = 1024**3
Kind = Literal["cgroup1", "cgroup2", "rlimit"]
PREFIX = "local-daytona-"


@dataclass(frozen=True)
class Bounds:
    memory: int
    processes: int
    file_size: int

    def rlimits(self, counted_by: str) -> dict[str, int]:
        """What each process is bound by; more of it where no control group counts."""
        always = {"FSIZE": self.file_size, "CORE": 0}
        alone = {"NPROC": self.processes, "DATA": self.memory}
        return always | (alone if counted_by == "rlimit" else {})


class Groups(Protocol):
    """Where a sandbox's processes are counted."""

    @property
    def kind(self) -> Kind: ...

    def make(self, name: str, bounds: Bounds) -> list[Path]:
        """Make the sandbox's groups and return the files that take its first process."""

    def remove(self, name: str) -> None: ...


def own_groups() -> dict[str, str]:
    """Controller name to this process's group, as the kernel lists it; `""` is version 2."""
    rows = [row.split(":", 2) for row in Path("/proc/self/cgroup").read_text().splitlines()]
    return {name: path for _, names, path in rows for name in names.split(",")}


def write(path: Path, value: object) -> None:
    path.write_text(f"{value}\n")


@dataclass
class Version1:
    """Separate hierarchies; a child of this process's own group in each."""

    folders: dict[str, Path]
    kind: Kind = field(default="cgroup1", init=False)

    def make(self, name: str, bounds: Bounds) -> list[Path]:
        self.remove(name)
        found = {which: folder / f"{PREFIX}{name}" for which, folder in self.folders.items()}
        for folder in found.values():
            folder.mkdir()
        if "memory" in found:
            write(found["memory"] / "memory.limit_in_bytes", bounds.memory)
        if "pids" in found:
            write(found["pids"] / "pids.max", bounds.processes)
        return [folder / "cgroup.procs" for folder in found.values()]

    def remove(self, name: str) -> None:
        for folder in self.folders.values():
            discard(folder / f"{PREFIX}{name}")


@dataclass
class Version2:
    """One hierarchy whose controllers this process may hand down."""

    folder: Path
    kind: Kind = field(default="cgroup2", init=False)

    def make(self, name: str, bounds: Bounds) -> list[Path]:
        self.remove(name)
        group = self.folder / f"{PREFIX}{name}"
        group.mkdir()
        write(group / "memory.max", bounds.memory)
        write(group / "pids.max", bounds.processes)
        return [group / "cgroup.procs"]

    def remove(self, name: str) -> None:
        discard(self.folder / f"{PREFIX}{name}")


@dataclass
class NoGroups:
    kind: Kind = field(default="rlimit", init=False)

    def make(self, name: str, bounds: Bounds) -> list[Path]:  # noqa: ARG002 - the port's shape
        return []

    def remove(self, name: str) -> None:
        pass


def discard(group: Path) -> None:
    """Remove a group; the kernel keeps it busy for a moment after its last process."""
    for _ in range(50):
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            with suppress(OSError):
                for process in (group / "cgroup.procs").read_text().split():
                    os.kill(int(process), 9)
            time.sleep(0.01)
        else:
            return
    logger.warning("control group %s could not be removed", group.name)


def detect() -> Groups:
    """The best this user may use, found out by trying."""
    own = own_groups()
    found = (attempt for attempt in (version2(own), version1(own)) if attempt is not None)
    return next((attempt for attempt in found if works(attempt)), NoGroups())


def works(groups: Groups) -> bool:
    name = f"probe-{os.getpid()}"
    try:
        groups.make(name, Bounds(GIB, 64, GIB))
    except OSError:
        return False
    finally:
        groups.remove(name)
    return True


def version1(own: dict[str, str]) -> Groups | None:
    folders: dict[str, Path] = {
        which: folder
        for which in ("memory", "pids")
        if which in own and os.access(folder := MOUNT / which / own[which].lstrip("/"), os.W_OK)
    }
    return Version1(folders) if folders else None


def version2(own: dict[str, str]) -> Groups | None:
    if "" not in own or not (MOUNT / "cgroup.controllers").exists():
        return None
    folder = MOUNT / own[""].lstrip("/")
    with suppress(OSError):
        write(folder / "cgroup.subtree_control", "+memory +pids")
        return Version2(folder)
    # A group with processes of its own hands nothing down, so a sibling is tried.
    return Version2(folder.parent) if os.access(folder.parent, os.W_OK) else None
