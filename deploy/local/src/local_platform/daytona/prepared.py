"""Prepared roots: what a snapshot is here, made once and mounted read-only in every sandbox.

A root is a Python environment with Hermes and the managed scope that a tenant must not change.
It is built in a folder of its own and renamed when it is whole, so being killed half-way leaves
only a folder that the next preparation throws away.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "root" / "requirements.txt"
MANAGED = HERE / "root" / "managed"
TOOLBOX = HERE / "toolbox"
INSTALL_TIMEOUT_S = 1800

Say = Callable[[str], None]


class PreparationFailedError(Exception):
    pass


def fingerprint() -> str:
    """Changes when the pins, the managed scope or the interpreter change."""
    digest = hashlib.sha256(sys.version.encode() + sys.base_prefix.encode())
    for path in [REQUIREMENTS, *sorted(MANAGED.rglob("*"))]:
        if path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


class PreparedRoots:
    """The folder that holds the roots, one a fingerprint."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.root = folder / f"hermes-{fingerprint()}"

    @property
    def environment(self) -> Path:
        return self.root / "hermes"

    @property
    def managed(self) -> Path:
        return self.root / "managed"

    def is_ready(self) -> bool:
        return self.root.is_dir()

    def prepare(self, say: Say) -> None:
        """Make the root if it is not there; whoever else is making it is waited for."""
        if self.is_ready():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with exclusive(self._folder / "preparing.lock"):
            if self.is_ready():
                return
            self._discard_unfinished()
            building = Path(tempfile.mkdtemp(prefix="building-", dir=self._folder))
            try:
                self._build(building, say)
            except BaseException:
                shutil.rmtree(building, ignore_errors=True)
                raise
            building.rename(self.root)
            say("The sandbox root is ready.")

    def _build(self, folder: Path, say: Say) -> None:
        environment = folder / "hermes"
        say("Preparing the sandbox root (once; about 220 MB) ...")
        uv(["venv", "--quiet", "--relocatable", "--python", sys.executable, str(environment)])
        say("Installing Hermes Agent with pinned versions ...")
        uv([
            "pip", "install", "--require-hashes", "--compile-bytecode", "--no-progress",
            "--python", str(environment / "bin" / "python"), "-r", str(REQUIREMENTS),
        ])  # fmt: skip
        shutil.copytree(MANAGED, folder / "managed")
        (folder / "managed" / "env").rename(folder / "managed" / ".env")
        make_readable(folder)

    def discard_old(self) -> None:
        """Take away roots of other pins and daemons; only for a host that is alone here."""
        for old in [*self._folder.glob("hermes-*"), *self._folder.glob("toolbox-*")]:
            if old != self.root:
                shutil.rmtree(old, ignore_errors=True)

    def _discard_unfinished(self) -> None:
        for leftover in self._folder.glob("building-*"):
            shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def exclusive(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock file. Raises BlockingIOError where another holds it and `wait` is false."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


def uv(arguments: list[str]) -> None:
    program = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if program is None:
        msg = "uv is not installed; install it with: python3 -m pip install uv"
        raise PreparationFailedError(msg)
    try:
        done = subprocess.run(
            [program, *arguments], capture_output=True, check=False, timeout=INSTALL_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PreparationFailedError(f"uv {arguments[0]} did not finish: {error}") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise PreparationFailedError(f"uv {arguments[0]} failed: {' '.join(said[-6:])}")


def make_readable(folder: Path) -> None:
    """Sandboxes run as users of their own, whatever umask this process has."""
    for base, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(base) / name
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))
    folder.chmod(0o755)


def copy_toolbox(folder: Path) -> Path:
    """A copy of the daemon that sandboxes may read; its name says which version it is."""
    sources = sorted(TOOLBOX.glob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    target = folder / f"toolbox-{digest}"
    if not target.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix="building-", dir=folder))
        (building / "toolbox").mkdir()
        for path in sources:
            shutil.copyfile(path, building / "toolbox" / path.name)
        make_readable(building)
        compile_all(building)
        try:
            building.rename(target)
        except OSError:
            shutil.rmtree(building, ignore_errors=True)
    return target


def compile_all(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(folder)], check=False)
    make_readable(folder)
