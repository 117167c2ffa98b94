"""A tar archive read as it arrives, block by block: as much of the format as git writes, and no
more is believed.

A generator asks for the next number of bytes and is sent exactly those, so nothing but the current
block is held. The sink is told of regular files and links; what else an archive may hold (hard
links, devices, set-user-id programs) is passed over and named.
"""

import re
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Protocol

from skill_resolver.errors import SkillUnreadableError

BLOCK = 512
_CHUNK = 64 * 1024
_MAX_HEADER = 1024 * 1024
_REGULAR, _LINK, _DIRECTORY = b"0\0" + b"7", b"2", b"5"
_PAX, _GLOBAL_PAX, _LONG_NAME, _LONG_LINK = b"x", b"g", b"L", b"K"
_HAS_NO_DATA = b"123456"
_SET_ID = 0o6000
_PAX_RECORD = re.compile(rb"(\d{1,9}) ([^=]+)=")
_COMMIT = re.compile(r"[0-9a-f]{40}")

Steps = Generator[int, bytes, None]


class Sink(Protocol):
    """What wants the archive's contents."""

    def begin(self, path: str, size: int, mode: int) -> None: ...

    def data(self, chunk: bytes) -> None: ...

    def end(self) -> None: ...

    def link(self, path: str, target: str) -> None: ...

    def drop(self, path: str, reason: str) -> None: ...


@dataclass
class _Header:
    name: str
    size: int
    mode: int
    kind: bytes
    target: str


@dataclass
class TarReader:
    """One archive on its way into `sink`; `commit` is what git wrote into its global header."""

    sink: Sink
    commit: str = ""
    is_complete: bool = False
    _extended: dict[str, str] = field(default_factory=dict)

    def steps(self) -> Steps:
        while True:
            block = yield BLOCK
            if not block.strip(b"\0"):
                self.is_complete = True
                return
            header = self._header(block)
            if header.kind in {_PAX, _GLOBAL_PAX, _LONG_NAME, _LONG_LINK}:
                yield from self._extension(header)
            else:
                self._extended.clear()
                yield from self._entry(header)

    def _header(self, block: bytes) -> _Header:
        checksum = sum(block) - sum(block[148:156]) + 8 * 32
        if _number(block[148:156]) != checksum:
            msg = "The archive is damaged."
            raise SkillUnreadableError(msg)
        name = _text(block[0:100])
        if block[257:263] == b"ustar\0" and (prefix := _text(block[345:500])):
            name = f"{prefix}/{name}"
        more = self._extended
        return _Header(
            name=more.get("path", name),
            size=int(more["size"])
            if more.get("size", "").isdecimal()
            else _number(block[124:136]),
            mode=_number(block[100:108]),
            kind=block[156:157],
            target=more.get("linkpath", _text(block[157:257])),
        )

    def _extension(self, header: _Header) -> Steps:
        if header.size > _MAX_HEADER:
            msg = "The archive has a header without measure."
            raise SkillUnreadableError(msg)
        content = yield from _read(header.size)
        if header.kind == _LONG_NAME:
            self._extended["path"] = _text(content)
        elif header.kind == _LONG_LINK:
            self._extended["linkpath"] = _text(content)
        elif header.kind == _PAX:
            self._extended |= _pax(content)
        elif _COMMIT.fullmatch(comment := _pax(content).get("comment", "")):
            self.commit = self.commit or comment

    def _entry(self, header: _Header) -> Steps:
        size = 0 if header.kind in _HAS_NO_DATA else header.size
        if header.kind in _REGULAR and not header.mode & _SET_ID:
            yield from self._file(header, size)
            return
        if header.kind == _LINK:
            self.sink.link(header.name, header.target)
        elif header.kind != _DIRECTORY:
            self.sink.drop(header.name, "neither a plain file nor a link")
        yield from _skip(size)

    def _file(self, header: _Header, size: int) -> Steps:
        self.sink.begin(header.name, size, 0o755 if header.mode & 0o111 else 0o644)
        left = size
        while left:
            chunk = yield min(left, _CHUNK)
            self.sink.data(chunk)
            left -= len(chunk)
        self.sink.end()
        yield from _skip(-size % BLOCK, rounded=False)


def _read(size: int) -> Generator[int, bytes, bytes]:
    content = (yield size) if size else b""
    yield from _skip(-size % BLOCK, rounded=False)
    return content


def _skip(size: int, *, rounded: bool = True) -> Steps:
    left = size + (-size % BLOCK if rounded else 0)
    while left:
        left -= len((yield min(left, _CHUNK)))


def _pax(content: bytes) -> dict[str, str]:
    """`length key=value` records; a wrong length ends the reading."""
    found: dict[str, str] = {}
    at = 0
    while match := _PAX_RECORD.match(content, at):
        end = at + int(match[1])
        if end <= match.end() or end > len(content):
            break
        key = match[2].decode("utf-8", "replace")
        found[key] = content[match.end() : end - 1].decode("utf-8", "surrogateescape")
        at = end
    return found


def _number(raw: bytes) -> int:
    """Octal text, or base 256 where the first bit is set."""
    if raw[:1] == b"\x80":
        return int.from_bytes(raw[1:], "big")
    digits = raw.strip(b" \0")
    try:
        return int(digits, 8) if digits else 0
    except ValueError as exc:
        msg = "The archive is damaged."
        raise SkillUnreadableError(msg) from exc


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
