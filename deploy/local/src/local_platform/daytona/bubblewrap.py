"""The namespace a sandbox lives in, as bubblewrap's arguments.

Run by root, bubblewrap makes the namespaces with root's rights and `setpriv` then becomes a user
that exists only for this sandbox, with no capability and no way to gain one; another sandbox's
files belong to another user. Run by anybody else, an unprivileged user namespace does the same
with that person's own user. Either way the file system is built from nothing: what is not named
here is not there.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from local_platform.daytona import seccomp

HOME = Path("/home/daytona")
HERMES = Path("/opt/hermes")
TOOLBOX = Path("/opt/daytona")
MANAGED = Path("/etc/hermes")
FORWARDER = Path("/run/daytona/egress.sock")
PROBE_TIMEOUT_S = 10
LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
SHARED_ETC = (
    "alternatives",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "ssl/certs",
    "ssl/openssl.cnf",
    "ca-certificates",
    "pki/tls/certs",
    "pki/ca-trust/extracted",
)
OWN_TARGETS = (Path("/var/tmp"), *(Path("/etc") / name for name in SHARED_ETC))
MISSING = """\
bubblewrap is needed to isolate sandboxes and {problem}.
Install it with:    sudo apt-get install -y bubblewrap
On Ubuntu 24.04 and later unprivileged user namespaces are switched off; allow them with:
                    sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0
LOCAL_DAYTONA_ISOLATION=none runs without any isolation: every skill then acts as you do."""


class IsolationUnavailableError(Exception):
    pass


@dataclass(frozen=True)
class Mount:
    source: Path
    target: Path
    writable: bool = False
    below: str | None = None

    def told(self, source: Path) -> list[str]:
        return ["--bind" if self.writable else "--ro-bind", str(source), str(self.target)]


@dataclass(frozen=True)
class Jail:
    """One sandbox's view: who it is and what it sees."""

    user_id: int
    hostname: str
    env: dict[str, str]
    mounts: tuple[Mount, ...]
    tmp_bytes: int


class Launch(NamedTuple):
    argv: list[str]
    descriptors: tuple[int, ...]


def is_root() -> bool:
    return os.geteuid() == 0


def user_for(number: int, first_uid: int) -> int:
    """The user id as the sandbox sees it, and where root runs this, as the kernel does too."""
    return first_uid + number if is_root() else 1000


@contextmanager
def command(jail: Jail, inner: list[str]) -> Iterator[Launch]:
    """The command line of one start and the descriptors it needs while it is started.

    The arguments go through a descriptor: a command line can be read by everybody on the host and
    by what runs inside, and these hold the sandbox's variables and this machine's paths.
    """
    with ExitStack() as held:
        rules = seccomp.for_this_machine()
        folders = {m: held.enter_context(folder_below(m)) for m in jail.mounts if m.below}
        told = arguments(jail, folders)
        descriptors = list(folders.values())
        if rules is not None:
            descriptors.append(held.enter_context(holding(rules)))
            told += ["--seccomp", str(descriptors[-1])]
        source = held.enter_context(holding("\0".join([*told, ""]).encode()))
        argv = ["bwrap", "--args", str(source), "--", *become(jail.user_id), *inner]
        yield Launch(argv, (*descriptors, source))


@contextmanager
def folder_below(mount: Mount) -> Iterator[int]:
    """The folder at a path that other sandboxes may write to, opened step by step.

    No link is followed, and what was opened is what gets mounted, whatever happens to the path.
    """
    with ExitStack() as held:
        folder = os.open(mount.source, os.O_DIRECTORY)
        held.callback(os.close, folder)
        for part in Path(mount.below or "").parts:
            is_new = made(part, folder)
            folder = os.open(part, os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            held.callback(os.close, folder)
            if is_new:
                os.fchmod(folder, 0o777)
        yield folder


def made(name: str, folder: int) -> bool:
    try:
        os.mkdir(name, dir_fd=folder)
    except FileExistsError:
        return False
    return True


@contextmanager
def holding(content: bytes) -> Iterator[int]:
    """A descriptor that reads as `content`."""
    descriptor = os.memfd_create("local-daytona")
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def arguments(jail: Jail, folders: Mapping[Mount, int]) -> list[str]:
    """Everything bubblewrap is told before the command; the order is that of the mounts."""
    targets = [*OWN_TARGETS, Path(sys.base_prefix), *(mount.target for mount in jail.mounts)]
    told = [*namespaces(jail), "--perms", "0755", "--tmpfs", "/", *parents(targets)]
    told += [*system_mounts(), *python_mounts(), "--proc", "/proc", "--dev", "/dev"]
    for folder in ("/tmp", "/var/tmp", "/dev/shm"):
        told += ["--perms", "1777", "--size", str(jail.tmp_bytes), "--tmpfs", folder]
    told += ["--symlink", "../run", "/var/run"]
    for mount in jail.mounts:
        opened = folders.get(mount)
        told += mount.told(mount.source if opened is None else Path(f"/proc/self/fd/{opened}"))
    told += ["--remount-ro", "/", "--remount-ro", "/dev", "--chdir", str(HOME)]
    for name, value in jail.env.items():
        told += ["--setenv", name, value]
    return told


def namespaces(jail: Jail) -> list[str]:
    shared = ("net", "pid", "ipc", "uts", "cgroup-try")
    told = [f"--unshare-{name}" for name in shared]
    told += ["--die-with-parent", "--new-session", "--hostname", jail.hostname, "--clearenv"]
    if not is_root():
        told += ["--unshare-user", "--uid", str(jail.user_id), "--gid", str(jail.user_id)]
    return told


def parents(targets: Iterable[Path]) -> list[str]:
    """The folders that mounts lie in; bubblewrap itself would close them to all but root."""
    found = {folder for target in targets for folder in target.parents if folder != Path("/")}
    told: list[str] = []
    for folder in sorted(found):
        told += ["--perms", "0755", "--dir", str(folder)]
    return told


def system_mounts() -> list[str]:
    """`/usr`, the folders beside it that are links into it, and what commands need of `/etc`."""
    told = ["--ro-bind", "/usr", "/usr"]
    for name in LINKS:
        path = Path("/") / name
        if path.is_symlink():
            told += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            told += ["--ro-bind", str(path), str(path)]
    for name in SHARED_ETC:
        told += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return told


def python_mounts() -> list[str]:
    """The interpreter that the prepared root points at, where it is not part of `/usr`."""
    base = Path(sys.base_prefix)
    return [] if base.is_relative_to("/usr") else ["--ro-bind", str(base), str(base)]


def become(user_id: int) -> list[str]:
    """Give up root for good, as the last step before the daemon."""
    if not is_root():
        return []
    ids = [f"--reuid={user_id}", f"--regid={user_id}", "--clear-groups", "--no-new-privs"]
    capabilities = [f"--{kind}=-all" for kind in ("bounding-set", "inh-caps", "ambient-caps")]
    return ["/usr/bin/setpriv", *ids, *capabilities, "--"]


def require() -> None:
    """Try a namespace; raise with the one command that helps where it cannot be had."""
    for program in ("bwrap", "setpriv") if is_root() else ("bwrap",):
        if shutil.which(program) is None:
            raise IsolationUnavailableError(MISSING.format(problem=f"{program} is not installed"))
    probe = Jail(user_for(0, 200_000), "probe", {}, (Mount(Path("/usr/share"), HOME),), 4096)
    try:
        with command(probe, ["/usr/bin/true"]) as launch:
            done = subprocess.run(
                launch.argv,
                pass_fds=launch.descriptors,
                capture_output=True,
                timeout=PROBE_TIMEOUT_S,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = MISSING.format(problem=f"did not start: {error}")
        raise IsolationUnavailableError(problem) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or f"status {done.returncode}"
        raise IsolationUnavailableError(MISSING.format(problem=f"does not work here ({said})"))
