"""A repository's files at one commit: what lies where, links included, and nothing outside."""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from skill_resolver.model.paths import join, leaf, normal, parent

MAX_LINK_HOPS = 20


@dataclass(frozen=True, slots=True)
class Entry:
    """A regular file, or a link when `target` is set; `mode` is 0644 or 0755. A size that is not
    known before the file is fetched is 0.
    """

    size: int
    mode: int = 0o644
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """An entry that was left out; `path` is for showing only."""

    path: str
    reason: str


def _is_at_hand(_: Collection[str]) -> None:
    """Everything is: nothing to prepare."""


@dataclass(frozen=True)
class Tree:
    """`entries` by path; `read` gives the bytes of a regular file.

    `prepare` is told which files will be read next, where fetching them together is cheaper.
    """

    entries: Mapping[str, Entry]
    read: Callable[[str], bytes]
    dropped: Sequence[Dropped] = field(default=())
    prepare: Callable[[Collection[str]], None] = _is_at_hand
    worked_out: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What was found out about it once and need not be found out again, by name."""

    @cached_property
    def paths(self) -> list[str]:
        return sorted(self.entries)

    def below(self, directory: str) -> Iterator[str]:
        """Every entry under `directory` ("" is the root), in order."""
        if not directory:
            yield from self.paths
            return
        prefix = f"{directory}/"
        for index in range(bisect_left(self.paths, prefix), len(self.paths)):
            if not self.paths[index].startswith(prefix):
                return
            yield self.paths[index]

    def is_directory(self, path: str) -> bool:
        return not path or next(self.below(path), None) is not None

    def resolve(self, path: str) -> str | None:
        """The real path of a file or directory, links followed inside the tree; None where there
        is none.
        """
        return self._resolve(path, [MAX_LINK_HOPS])

    def _resolve(self, path: str, hops: list[int]) -> str | None:
        real = ""
        for part in path.split("/") if path else ():
            real = join(real, part)
            entry = self.entries.get(real)
            if entry is not None and entry.target is not None:
                hops[0] -= 1
                followed = self._target(real, entry.target) if hops[0] >= 0 else None
                found = None if followed is None else self._resolve(followed, hops)
                if found is None:
                    return None
                real = found
        return real if real in self.entries or self.is_directory(real) else None

    @staticmethod
    def _target(link: str, target: str) -> str | None:
        return None if target.startswith("/") else normal(join(parent(link), target))

    def skill_file(self, directory: str) -> str | None:
        """`SKILL.md` of a directory: that exact name, else in any case; None where it is no
        readable file.
        """
        exact = join(directory, "SKILL.md")
        if self._is_file(exact):
            return exact
        depth = directory.count("/") + 1 if directory else 0
        names = [
            path
            for path in self.below(directory)
            if path.count("/") == depth
            and leaf(path).lower() == "skill.md"
            and self._is_file(path)
        ]
        return names[0] if names else None

    def _is_file(self, path: str) -> bool:
        entry = self.entries.get(path)
        if entry is None:
            return False
        real = path if entry.target is None else self.resolve(path)
        return real in self.entries

    def content(self, path: str) -> bytes:
        """The bytes of a file, through links."""
        real = self.resolve(path)
        if real is None:
            raise FileNotFoundError(path)
        return self.read(real)

    def skill_files(self) -> list[str]:
        """One SKILL.md per directory that has any, in order of their paths."""
        found: dict[str, str] = {}
        for path in self.paths:
            if path[-8:].lower() == "skill.md" and len(path.rpartition("/")[2]) == 8:
                directory = parent(path)
                if self._is_file(path) and (directory not in found or leaf(path) == "SKILL.md"):
                    found[directory] = path
        return list(found.values())


def without_shadowed(entries: dict[str, Entry]) -> dict[str, Entry]:
    """Drop what claims to lie below a file or a link: only a forged archive holds that."""
    solid = set(entries)
    return {path: entry for path, entry in entries.items() if not _shadowed(path, solid)}


def _shadowed(path: str, solid: set[str]) -> bool:
    above = parent(path)
    while above:
        if above in solid:
            return True
        above = parent(above)
    return False
