"""A repository whose files are fetched by git when they are read: where the archive is too large,
or is not what was committed.
"""

import shutil
import tempfile
import threading
import weakref
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from skill_resolver.adapters.git import Git, Listed
from skill_resolver.adapters.spool import Spool
from skill_resolver.errors import SkillTooLargeError, SkillUnreadableError
from skill_resolver.model.paths import refusal
from skill_resolver.model.tree import Dropped, Entry, Tree, without_shadowed
from skill_resolver.ports import Snapshot

_MAX_ENTRIES = 150_000
_MAX_LINKS = 2000
_MAX_DROPPED = 200
_MAX_TARGET = 4096
_AT_ONCE = 16 * 1024 * 1024
_LINK, _EXECUTABLE, _SUBMODULE = "120000", "100755", "160000"
_FILE, _PROGRAM = Entry(0, 0o644), Entry(0, 0o755)


@dataclass(frozen=True)
class SparseLimits:
    """One content, and all contents of a repository together."""

    file_bytes: int = 32 * 1024 * 1024
    kept_bytes: int = 256 * 1024 * 1024


def survey(git: Git, url: str, commit: str, limits: SparseLimits) -> Snapshot:
    """The repository at a full commit id, by two requests; called in a worker thread, as
    everything that reads its tree.

    The size of a file is not known before it is fetched: entries say 0.
    """
    files = SparseFiles(git, url, commit, limits)
    return Snapshot(files.tree(), commit, size=files.size, is_exact=True)


class SparseFiles:
    """A bare repository in a temporary directory, removed when nothing refers to it any more, and
    the contents fetched so far.
    """

    def __init__(self, git: Git, url: str, commit: str, limits: SparseLimits) -> None:
        self._git = git
        self._url = url
        self._limits = limits
        self._commit = commit
        self._directory = Path(tempfile.mkdtemp(prefix="skill-resolver-"))
        weakref.finalize(self, shutil.rmtree, self._directory, ignore_errors=True)
        self._spool = Spool()
        self._ids: dict[str, str] = {}
        self._sizes: dict[str, int] = {}
        self._places: dict[str, int] = {}
        self._lock = threading.Lock()
        git.fetch_commit(self._directory, url, commit)

    @property
    def size(self) -> int:
        return sum(file.stat().st_size for file in self._directory.rglob("*") if file.is_file())

    def tree(self) -> Tree:
        entries: dict[str, Entry] = {}
        dropped: list[Dropped] = []
        links: list[str] = []
        for listed in self._git.files(self._directory, self._commit):
            self._take(listed, entries, links, dropped)
            if len(self._ids) > _MAX_ENTRIES:
                raise SkillTooLargeError(f"The repository has more than {_MAX_ENTRIES:,} files.")
        dropped += [Dropped(path, "one link too many") for path in links[_MAX_LINKS:]]
        self.prepare(links[:_MAX_LINKS])
        for path in links[:_MAX_LINKS]:
            target = self.read(path)[:_MAX_TARGET].decode("utf-8", "surrogateescape")
            entries[path] = Entry(0, target=target)
        present = without_shadowed(entries)
        return Tree(present, self.read, tuple(dropped[:_MAX_DROPPED]), self.prepare)

    def read(self, path: str) -> bytes:
        name = self._ids[path]
        if name not in self._sizes:
            self.prepare([path])
        size = self._sizes.get(name)
        if size is None:
            raise SkillUnreadableError(f"The file {path!r} cannot be read.")
        if name not in self._places:
            raise SkillTooLargeError(f"The file {path!r} is too large.")
        return self._spool.read(self._places[name], size)

    def prepare(self, paths: Collection[str]) -> None:
        """Fetch what of these is not there yet, all at once."""
        with self._lock:
            names = {self._ids[path] for path in paths if path in self._ids}
            missing = sorted(names - self._sizes.keys())
            if not missing:
                return
            self._git.fetch_blobs(self._directory, self._url, missing)
            sizes = self._git.sizes(self._directory, missing)
            small = {n: size for n, size in sizes.items() if size <= self._limits.file_bytes}
            if self._spool.size + sum(small.values()) > self._limits.kept_bytes:
                msg = "The files that were asked for are too large."
                raise SkillTooLargeError(msg)
            for some in _in_portions(small):
                for name, content in self._git.contents(self._directory, some):
                    self._places[name] = self._spool.add(content)
            self._sizes |= sizes

    def _take(
        self,
        listed: Listed,
        entries: dict[str, Entry],
        links: list[str],
        dropped: list[Dropped],
    ) -> None:
        path = listed.path
        if listed.mode == _SUBMODULE:
            return
        self._ids[path] = listed.id
        if reason := refusal(path):
            dropped.append(Dropped(path.encode("utf-8", "replace").decode()[:200], reason))
        elif listed.mode == _LINK:
            links.append(path)
        else:
            entries[path] = _PROGRAM if listed.mode == _EXECUTABLE else _FILE


def _in_portions(sizes: dict[str, int]) -> Iterator[dict[str, int]]:
    """Some at a time, so that not all is in memory at once."""
    portion: dict[str, int] = {}
    total = 0
    for name, size in sizes.items():
        if portion and total + size > _AT_ONCE:
            yield portion
            portion, total = {}, 0
        portion[name] = size
        total += size
    if portion:
        yield portion
