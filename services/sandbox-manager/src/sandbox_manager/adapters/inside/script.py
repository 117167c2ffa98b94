"""Runs inside a sandbox, by its Python alone; its last line of output is the answer as JSON.

It is sent with each command rather than kept there, because the agent may change what is kept.
The source of `common.digest` is put before it: the digest is computed by one code on both ends.
"""

import contextlib
import fcntl
import hashlib
import json
import re
import shutil
import stat
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from common.digest import EXECUTABLE, PLAIN, skill_digest

ANSWER = "@@tryskills "

_REVISION = re.compile(rb"__rev_[0-9a-z]+__")


@contextlib.contextmanager
def locked(own: Path) -> Iterator[None]:
    """One change of config and manifest at a time."""
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (own / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write(path: Path, content: bytes) -> None:
    """Write by rename, readable by its owner alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.touch(mode=0o600)
    new.write_bytes(content)
    new.replace(path)


def read_back(directory: Path) -> str | None:
    """The digest of what lies there; None when nothing does, or something that no skill holds."""
    if not directory.is_dir() or directory.is_symlink():
        return None
    files = []
    for path in directory.rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            continue
        if not stat.S_ISREG(mode):
            return None
        kind = EXECUTABLE if mode & stat.S_IXUSR else PLAIN
        files.append((path.relative_to(directory).as_posix(), kind, path.read_bytes()))
    return skill_digest(files)


def unpack(bundle: Path, directory: Path) -> None:
    directory.mkdir(mode=0o755, parents=True)
    with tarfile.open(bundle) as tar:
        for member in tar:
            parts = Path(member.name).parts
            if not member.isfile() or ".." in parts or member.name.startswith("/"):
                continue
            target = directory.joinpath(*parts)
            target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            content = tar.extractfile(member)
            target.write_bytes(content.read() if content is not None else b"")
            target.chmod(EXECUTABLE if member.mode & stat.S_IXUSR else PLAIN)


def swap(new: Path, target: Path, aside: Path) -> None:
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if target.exists() or target.is_symlink():
        target.rename(aside)
    new.rename(target)


def forget(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def noted(own: Path) -> dict[str, Any]:
    """The manifest of what is installed; the agent may have made anything of it."""
    try:
        known = json.loads((own / "manifest.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def note(own: Path, name: str, entry: dict[str, Any] | None) -> None:
    known = noted(own)
    known.pop(name, None)
    if entry is not None:
        known[name] = entry
    write(own / "manifest.json", json.dumps(known, indent=1, sort_keys=True).encode())


def mark(config: Path, revision: str) -> None:
    """Make the agent rebuild its list of skills for the next session."""
    if config.exists():
        new = _REVISION.sub(b"__rev_" + revision.encode() + b"__", config.read_bytes())
        write(config, new)


def install(args: dict[str, Any]) -> dict[str, Any]:
    """Unpack beside, read back, and rename into place only what has the digest."""
    own, bundle = Path(args["own"]), Path(args["bundle"])
    stage = bundle.with_suffix("")
    forget(stage)
    try:
        unpack(bundle, stage / "new")
        found = read_back(stage / "new")
        if found == args["digest"]:
            target = Path(args["root"]) / args["directory"]
            with locked(own):
                swap(stage / "new", target, stage / "old")
                note(own, args["directory"], args["entry"])
                mark(Path(args["config"]), args["revision"])
    finally:
        forget(stage)
        forget(bundle)
    return {"digest": found}


def remove(args: dict[str, Any]) -> dict[str, Any]:
    own, target = Path(args["own"]), Path(args["root"]) / args["directory"]
    with locked(own):
        forget(target)
        note(own, args["directory"], None)
        mark(Path(args["config"]), args["revision"])
    return {}


def configure(args: dict[str, Any]) -> dict[str, Any]:
    """Rename what was uploaded into place, if it is what was sent."""
    for directory in args["directories"]:
        Path(directory).mkdir(mode=0o755, parents=True, exist_ok=True)
    with locked(Path(args["own"])):
        for staged, target, sha256 in args["files"]:
            content = Path(staged).read_bytes()
            if hashlib.sha256(content).hexdigest() != sha256:
                return {"damaged": target}
            write(Path(target), content)
            Path(staged).unlink()
    return {}


def look(args: dict[str, Any]) -> dict[str, Any]:
    """A session's workspace, the digest of its skill, and whether the agent's process lives."""
    if args["workspace"]:
        Path(args["workspace"]).mkdir(mode=0o755, parents=True, exist_ok=True)
    own, found = Path(args["own"]), None
    if args["directory"]:
        found = read_back(Path(args["root"]) / args["directory"])
    alive = is_alive(own, "agent")
    return {"digest": found, "is_agent_alive": alive, "agent": agent_version(own)}


def manifest(args: dict[str, Any]) -> dict[str, Any]:
    """The manifest's entries, each with the digest of what really lies there."""
    root = Path(args["root"])
    entries = [
        {"directory": name, "entry": entry, "digest": read_back(root / name)}
        for name, entry in noted(Path(args["own"])).items()
        if Path(name).parts == (name,) and name != ".."
    ]
    return {"entries": entries}


def agent_version(own: Path) -> str | None:
    """By what lies beside the program: asking the program itself would take a second."""
    program = shutil.which("hermes", path=f"{own}/venv/bin") or shutil.which("hermes")
    if program is None:
        return None
    place = Path(program).resolve().parent.parent
    found = next(place.glob("lib/python3*/site-packages/hermes_agent-*.dist-info"), None)
    return found.name.removesuffix(".dist-info").rpartition("-")[2] if found else None


def is_alive(own: Path, name: str) -> bool:
    """By process id and by when the process began: ids begin anew with each start."""
    try:
        pid, since = (own / f"{name}.pid").read_text(), (own / f"{name}.since").read_text()
        stat_line = Path(f"/proc/{int(pid)}/stat").read_text()
    except (OSError, ValueError):
        return False
    state, *_, begun = stat_line.rpartition(")")[2].split()[:20]
    return state != "Z" and begun == since.strip()


COMMANDS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "install": install,
    "remove": remove,
    "configure": configure,
    "look": look,
    "manifest": manifest,
}


def main(command: str, args: dict[str, Any]) -> None:
    try:
        answer = COMMANDS[command](args)
    except (OSError, ValueError, tarfile.TarError) as exc:
        answer = {"error": f"{type(exc).__name__}: {exc}"}
    sys.stdout.write(f"\n{ANSWER}{json.dumps(answer)}\n")
