"""Runs inside a sandbox, as `script` does: a look at a session's workspace and its files.

What leads out of the workspace is refused after links are resolved; what is read is copied aside
before it is sent, so that it cannot be swapped in between.
"""

import json
import os
import stat
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ANSWER = "@@tryskills "


class RefusedError(Exception):
    """`code` is one of ours."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def inside(root: Path, path: str) -> Path:
    """The real place of `path`, which must lie in the workspace."""
    real = Path(os.path.realpath(root / path))
    if real != root and root not in real.parents:
        code = "path_refused"
        raise RefusedError(code)
    return real


def entry(root: Path, path: Path) -> dict[str, Any] | None:
    """None for what is neither a file nor a directory: links, sockets, devices."""
    found = path.lstat()
    is_directory = stat.S_ISDIR(found.st_mode)
    if not is_directory and not stat.S_ISREG(found.st_mode):
        return None
    return {
        "path": path.relative_to(root).as_posix(),
        "is_directory": is_directory,
        "size": 0 if is_directory else found.st_size,
        "modified_at": found.st_mtime,
    }


def walk(directory: Path, depth: int) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        yield path
        if depth > 1 and path.is_dir() and not path.is_symlink():
            yield from walk(path, depth - 1)


def listing(args: dict[str, Any]) -> dict[str, Any]:
    root = Path(os.path.realpath(args["workspace"]))
    start = inside(root, args["path"])
    if not start.exists():
        return {"entries": [], "is_cut": False}
    if not start.is_dir():
        code = "file_not_found"
        raise RefusedError(code)
    entries: list[dict[str, Any]] = []
    for path in walk(start, args["depth"]):
        found = entry(root, path)
        if found is not None and len(entries) == args["most"]:
            return {"entries": entries, "is_cut": True}
        if found is not None:
            entries.append(found)
    return {"entries": entries, "is_cut": False}


def take(args: dict[str, Any]) -> dict[str, Any]:
    """Copy one file aside, to be fetched from there."""
    root = Path(os.path.realpath(args["workspace"]))
    path = inside(root, args["path"])
    try:
        with path.open("rb") as source:
            if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
                code = "path_refused"
                raise RefusedError(code)
            content = source.read(args["limit"] + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as exc:
        code = "file_not_found"
        raise RefusedError(code) from exc
    if len(content) > args["limit"]:
        code = "too_large"
        raise RefusedError(code)
    aside = Path(args["aside"])
    aside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside.write_bytes(content)
    return {"size": len(content)}


def put(args: dict[str, Any]) -> dict[str, Any]:
    """Move what was uploaded aside into place; never through a link."""
    root = Path(os.path.realpath(args["workspace"]))
    parent = inside(root, Path(args["path"]).parent.as_posix())
    name = Path(args["path"]).name
    if name in ("", ".", ".."):
        code = "path_refused"
        raise RefusedError(code)
    parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    target = parent / name
    if target.is_dir():
        code = "path_refused"
        raise RefusedError(code)
    Path(args["aside"]).chmod(0o644)
    Path(args["aside"]).replace(target)
    made = entry(root, target)
    assert made is not None
    return made


def archive(args: dict[str, Any]) -> dict[str, Any]:
    """A zip of the regular files, links left out, put aside to be fetched."""
    root = Path(os.path.realpath(args["workspace"]))
    aside, total = Path(args["aside"]), 0
    aside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as made:
        for path in walk(root, 100) if root.is_dir() else ():
            found = entry(root, path)
            if found is None or found["is_directory"]:
                continue
            total += found["size"]
            if total > args["limit"]:
                code = "too_large"
                raise RefusedError(code)
            made.write(path, found["path"])
    return {"size": aside.stat().st_size}


def drop(args: dict[str, Any]) -> dict[str, Any]:
    Path(args["aside"]).unlink(missing_ok=True)
    return {}


COMMANDS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "list": listing,
    "take": take,
    "put": put,
    "archive": archive,
    "drop": drop,
}


def main(command: str, args: dict[str, Any]) -> None:
    try:
        answer = COMMANDS[command](args)
    except RefusedError as exc:
        answer = {"refused": exc.code}
    except (OSError, ValueError) as exc:
        answer = {"error": f"{type(exc).__name__}: {exc}"}
    sys.stdout.write(f"\n{ANSWER}{json.dumps(answer)}\n")
