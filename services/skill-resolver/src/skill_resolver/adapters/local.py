"""Skills in directories of this machine. Only what lies inside an open directory is seen; links
out of it are not followed.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from skill_resolver.errors import SkillTooLargeError, SkillUnreadableError
from skill_resolver.model.paths import refusal
from skill_resolver.model.reference import LOCAL_OWNER, SkillRef
from skill_resolver.model.tree import Dropped, Entry, Tree
from skill_resolver.ports import LocalSkills

_MAX_ENTRIES = 50_000
_GENERIC = {"skills", "skill", "src", "examples/skills"}
_MAX_TEXT = 1000


class LocalDirectories(LocalSkills):
    """Open directories by label: `label=path`, or a path whose own name (or, for `skills`, its
    parent's) is the label.
    """

    def __init__(self, roots: Sequence[str], base: Path, *, file_bytes: int) -> None:
        self._base = Path(os.path.abspath(base))  # noqa: PTH100 (links stay as they are)
        self._file_bytes = file_bytes
        self._roots: dict[str, Path] = {}
        for root in roots:
            label, _, path = root.rpartition("=")
            self._open(label, Path(os.path.realpath(self._base / path)))

    def locate(self, text: str) -> SkillRef | None:
        text = text.strip()
        if not text or len(text) > _MAX_TEXT or "\0" in text or text.startswith(f"{LOCAL_OWNER}/"):
            return None
        real = Path(os.path.realpath(self._base / text))
        for label, root in self._roots.items():
            # Below the base a path that is missing is a typing error, not a repository's name.
            is_ours = root != self._base and root.is_relative_to(self._base)
            if real.is_relative_to(root) and (is_ours or real.exists()):
                path = real.relative_to(root).as_posix()
                return SkillRef(LOCAL_OWNER, label, path="" if path == "." else path)
        return None

    def tree(self, label: str) -> Tree | None:
        root = self._roots.get(label)
        if root is None:
            return None
        entries: dict[str, Entry] = {}
        dropped: list[Dropped] = []
        for path, item in _walk(root, ""):
            if reason := refusal(path):
                dropped.append(Dropped(path.encode("utf-8", "replace").decode(), reason))
            elif (entry := _entry(item)) is not None:
                entries[path] = entry
            if len(entries) > _MAX_ENTRIES:
                raise SkillTooLargeError(f"The directory {label!r} holds too many files.")
        return Tree(entries, lambda path: self._read(root, path), tuple(dropped))

    def state(self, label: str) -> str | None:
        root = self._roots.get(label)
        if root is None:
            return None
        hasher = hashlib.sha256()
        for path, item in _walk(root, ""):
            status = item.stat(follow_symlinks=False)
            seen = (path, status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns)
            hasher.update(repr((*seen, status.st_ctime_ns)).encode())
        return hasher.hexdigest()[:40]

    def _open(self, label: str, root: Path) -> None:
        name = label or (root.parent.name if root.name in _GENERIC else root.name)
        name = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-.") or "skills"
        unique, number = name, 2
        while unique in self._roots:
            unique, number = f"{name}-{number}", number + 1
        self._roots[unique] = root

    def _read(self, root: Path, path: str) -> bytes:
        try:
            handle = os.open(root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as exc:
            raise SkillUnreadableError(f"The file {path!r} cannot be read.") from exc
        with open(handle, "rb") as file:  # noqa: PTH123 (a descriptor)
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SkillUnreadableError(f"The file {path!r} is no regular file.")
            content = file.read(self._file_bytes + 1)
        if len(content) > self._file_bytes:
            raise SkillTooLargeError(f"The file {path!r} is too large.")
        return content


def _walk(root: Path, below: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything that is no directory, never through a link."""
    try:
        items = sorted(os.scandir(root / below), key=lambda item: item.name)
    except OSError:
        return
    for item in items:
        path = f"{below}/{item.name}" if below else item.name
        if item.is_dir(follow_symlinks=False):
            if item.name not in {".git", "__pycache__"}:
                yield from _walk(root, path)
        else:
            yield path, item


def _entry(item: os.DirEntry[str]) -> Entry | None:
    """None for what is neither a file nor a link."""
    if item.is_symlink():
        return Entry(0, target=str(Path(item.path).readlink()))
    status = item.stat(follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        return None
    return Entry(status.st_size, 0o755 if status.st_mode & 0o111 else 0o644)
