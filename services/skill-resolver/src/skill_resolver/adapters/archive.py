"""A repository's archive, unpacked while it is downloaded, under limits: nothing is written where
its paths say.

Contents go one after another into one unnamed temporary file; what lies where is kept in memory.
So no path of the archive ever touches a disk, and a file is read back by offset.
"""

import zlib
from dataclasses import dataclass, field

from skill_resolver.adapters.spool import Spool
from skill_resolver.adapters.tar import Steps, TarReader
from skill_resolver.errors import SkillTooLargeError, SkillUnreadableError
from skill_resolver.model.paths import refusal
from skill_resolver.model.tree import Dropped, Entry, Tree, without_shadowed

_MAX_DROPPED = 200
_INFLATE_STEP = 256 * 1024


@dataclass(frozen=True)
class ArchiveLimits:
    """What one archive may be: packed, unpacked, in entries, and unpacked for each packed byte
    past the first part.
    """

    packed_bytes: int = 160 * 1024 * 1024
    unpacked_bytes: int = 1024 * 1024 * 1024
    entries: int = 150_000
    ratio: int = 100
    ratio_from: int = 24 * 1024 * 1024
    file_bytes: int = 32 * 1024 * 1024


@dataclass
class _Unpacked:
    """The sink of one archive, without its top directory; the first entry of a path counts."""

    limits: ArchiveLimits
    spool: Spool = field(default_factory=Spool)
    entries: dict[str, Entry] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    dropped: list[Dropped] = field(default_factory=list)
    prefix: str | None = None
    seen: int = 0
    _keeping: bool = False

    def begin(self, path: str, size: int, mode: int) -> None:
        inner = self._accepted(path)
        self._keeping = inner is not None and size <= self.limits.file_bytes
        if inner is not None:
            self.entries[inner] = Entry(size, mode)
            self.places[inner] = self.spool.size

    def data(self, chunk: bytes) -> None:
        if self._keeping:
            self.spool.add(chunk)

    def end(self) -> None:
        self._keeping = False

    def link(self, path: str, target: str) -> None:
        inner = self._accepted(path)
        if inner is not None:
            self.entries[inner] = Entry(0, target=target)

    def drop(self, path: str, reason: str) -> None:
        self._count()
        if len(self.dropped) < _MAX_DROPPED:
            inner = path.partition("/")[2]
            shown = inner.encode("utf-8", "replace").decode()[:200]
            self.dropped.append(Dropped(shown, reason))

    def _accepted(self, path: str) -> str | None:
        self._count()
        top, _, inner = path.partition("/")
        if self.prefix is None:
            self.prefix = top
        reason = "outside of the repository" if top != self.prefix else refusal(inner)
        reason = reason or ("a second entry of one name" if inner in self.entries else "")
        if reason:
            self.seen -= 1
            self.drop(path, reason)
            return None
        return inner

    def _count(self) -> None:
        self.seen += 1
        if self.seen > self.limits.entries:
            raise SkillTooLargeError(
                f"The repository has more than {self.limits.entries:,} files."
            )


class Unpacker:
    """Takes the packed bytes as they come; `finish` gives the tree."""

    def __init__(self, limits: ArchiveLimits) -> None:
        self._limits = limits
        self._files = _Unpacked(limits)
        self._reader = TarReader(self._files)
        self._steps: Steps = self._reader.steps()
        self._wanted = next(self._steps)
        self._buffer = bytearray()
        self._inflate = zlib.decompressobj(wbits=31)
        self._packed = self._unpacked = 0

    def feed(self, packed: bytes) -> None:
        """Raises SkillTooLargeError or SkillUnreadableError."""
        self._packed += len(packed)
        if self._packed > self._limits.packed_bytes:
            msg = "The archive of the repository is too large."
            raise SkillTooLargeError(msg)
        while packed and not self._reader.is_complete:
            try:
                self._take(self._inflate.decompress(packed, _INFLATE_STEP))
            except zlib.error as exc:
                msg = "GitHub's answer is not an archive."
                raise SkillUnreadableError(msg) from exc
            packed = self._inflate.unconsumed_tail
            if self._inflate.eof:
                return

    def finish(self) -> tuple[Tree, str]:
        """The tree and its commit."""
        if not self._reader.is_complete:
            msg = "The archive ends before its end."
            raise SkillUnreadableError(msg)
        if not self._reader.commit:
            msg = "The archive does not say which commit it is."
            raise SkillUnreadableError(msg)
        files = self._files
        tree = Tree(without_shadowed(files.entries), self._read, tuple(files.dropped))
        return tree, self._reader.commit

    @property
    def commit(self) -> str:
        """What the archive says of itself, which it does at its beginning; "" before that."""
        return self._reader.commit

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._files.spool.size

    def _take(self, data: bytes) -> None:
        self._unpacked += len(data)
        is_bomb = self._unpacked > max(self._limits.ratio_from, self._packed * self._limits.ratio)
        if is_bomb or self._unpacked > self._limits.unpacked_bytes:
            msg = "The archive of the repository unpacks to too much."
            raise SkillTooLargeError(msg)
        self._buffer += data
        at = 0
        while len(self._buffer) - at >= self._wanted and not self._reader.is_complete:
            chunk = bytes(self._buffer[at : at + self._wanted])
            at += self._wanted
            try:
                self._wanted = self._steps.send(chunk)
            except StopIteration:
                break
        del self._buffer[:at]

    def _read(self, path: str) -> bytes:
        files = self._files
        entry = files.entries[path]
        if entry.size > self._limits.file_bytes:
            raise SkillTooLargeError(f"The file {path!r} is too large.")
        return files.spool.read(files.places[path], entry.size)
