"""A file as text: its lines by offset, and whether a place in it is code or prose."""

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from skill_resolver.model.report.needles import Needles

MAX_TEXT = 2 * 1024 * 1024
MAX_LINE = 600
MAX_EXCERPT = 200
_DOCUMENTS = (".md", ".mdx", ".markdown", ".txt", ".rst", ".adoc")
_DATA = (
    ".svg",
    ".html",
    ".htm",
    ".ipynb",
    ".json",
    ".csv",
    ".lock",
    ".xml",
    ".map",
    ".pem",
    ".crt",
    ".pub",
)
_INVISIBLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e01ef]"
)


def excerpt(line: str) -> str:
    """A line for showing: short, and with nothing invisible in it."""
    shown = _INVISIBLE.sub(
        lambda match: f"\\u{ord(match[0]):04x}" if match[0] != "\t" else " ", line.strip()
    )
    return shown if len(shown) <= MAX_EXCERPT else f"{shown[: MAX_EXCERPT - 1]}…"


@dataclass(frozen=True)
class Text:
    path: str
    body: str
    needles: Needles

    @classmethod
    def of(cls, path: str, content: bytes, needles: Needles) -> "Text | None":
        """None for what is no text."""
        head = content[:MAX_TEXT]
        if b"\0" in head[:8000] and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
            return None
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            return cls(path, head.decode("utf-16", "replace"), needles)
        return cls(path, head.decode("utf-8", "replace"), needles)

    @property
    def is_document(self) -> bool:
        name = self.path.lower()
        return name.endswith(_DOCUMENTS) or "." not in name.rpartition("/")[2]

    @property
    def is_data(self) -> bool:
        return self.path.lower().endswith(_DATA)

    @cached_property
    def _lower(self) -> str:
        return self.body.lower() if self.body.isascii() else self._folded()

    def _folded(self) -> str:
        """In lower case with every character in its place: some letters grow when they are
        lowered.
        """
        lowered = self.body.lower()
        if len(lowered) == len(self.body):
            return lowered
        return "".join(low if len(low := char.lower()) == 1 else char for char in self.body)

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.body))]

    def line_of(self, at: int) -> int:
        return bisect_right(self._starts, at)

    @cached_property
    def _places(self) -> Mapping[str, Sequence[int]]:
        return self.needles.places(self._lower)

    @property
    def words(self) -> Collection[str]:
        """The needles that occur."""
        return self._places.keys()

    def lines_with(self, needles: Sequence[str], most: int) -> Iterator[tuple[int, str]]:
        """Each line with one of the needles, with its offset; of a very long line the part around
        it.
        """
        seen: set[int] = set()
        for needle in needles:
            end = -1
            for at in self._places.get(needle, ()):
                if at < end or len(seen) >= most:
                    continue
                start, end = self._bounds(at)
                if start not in seen:
                    seen.add(start)
                    yield start, self.body[start:end]

    def around(self, at: int, lines: int) -> str:
        """The line at `at` with some before and after it."""
        number = self.line_of(at)
        first = self._starts[max(0, number - 1 - lines)]
        last = number + lines
        end = self._starts[last] if last < len(self._starts) else len(self.body)
        return self.body[first : min(end, first + 4000)]

    def _bounds(self, at: int) -> tuple[int, int]:
        start = self.body.rfind("\n", 0, at) + 1
        end = self.body.find("\n", at)
        end = len(self.body) if end < 0 else end
        return max(start, at - MAX_LINE // 2), min(end, at + MAX_LINE // 2)

    @cached_property
    def _fences(self) -> list[int]:
        return [match.start() for match in re.finditer(r"^[ \t]*(?:```|~~~)", self.body, re.M)]

    def is_prose_at(self, at: int, line: str) -> bool:
        """In a document, outside of a code block."""
        fenced = bisect_right(self._fences, at) % 2 == 1
        return self.is_document and not fenced and not line.startswith(("    ", "\t", "$ "))
