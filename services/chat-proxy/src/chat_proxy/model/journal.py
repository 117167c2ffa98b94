"""The journal of a session: numbered entries, and segments that fold many of them into one.

A segment of text keeps, for each number it covers, how many characters came with it. So a viewer
who has seen number N gets exactly what follows it, for ever, however much was folded since.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

import orjson

FOLDED = frozenset({"text", "reasoning"})
"""Entries that only add text, so that neighbours fold into one."""

ENDED = "turn.ended"

ENTRY_CHARS = 32_000
"""Of text in one entry: as JSON it always fits into a message of the bus (1 MiB)."""

MOST_CHARS = 2_000_000
MOST_BYTES = 12 * 1024 * 1024
"""Of a turn, folded: it is one document, and MongoDB takes 16 MiB."""

_SEGMENT_CHARS = 16_000
_SEGMENT_BYTES = 160
_CUT_BYTES = 3
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


# Made for every chunk, and freezing one costs more than making it.
@dataclass(slots=True)
class Entry:
    """One number of the journal, or with `seq_from` the numbers `seq_from..seq` as one.

    `fields` holds what is proper to the type, ready for JSON.
    """

    seq: int
    at: datetime
    turn_id: str
    type: str
    fields: dict[str, Any]
    seq_from: int | None = None

    @property
    def first(self) -> int:
        return self.seq if self.seq_from is None else self.seq_from

    def line(self) -> bytes:
        """The entry as one line of JSON."""
        entry = {
            "seq": self.seq,
            "at": self.at,
            "turn_id": self.turn_id,
            "type": self.type,
            **self.fields,
        }
        try:
            return orjson.dumps(entry)
        except orjson.JSONEncodeError:
            # A tool's arguments hold numbers of any length.
            return _encode({**entry, "at": self.at.isoformat()}).encode()


def entry_from_line(line: bytes) -> Entry:
    """The entry that `line()` wrote."""
    fields = json.loads(line)
    return Entry(
        seq=fields.pop("seq"),
        at=datetime.fromisoformat(fields.pop("at")),
        turn_id=fields.pop("turn_id"),
        type=fields.pop("type"),
        seq_from=fields.pop("seq_from", None),
        fields=fields,
    )


@dataclass(slots=True)
class Segment:
    """The numbers `seq_from..seq` of one type. Text comes in `pieces`, one for each number, and is
    put together when somebody asks: doing it at each piece would cost the text's length.
    """

    type: str
    seq_from: int
    seq: int
    at: datetime
    fields: dict[str, Any] = field(default_factory=dict)
    joined: str = ""
    joined_cuts: bytearray = field(default_factory=bytearray)
    pieces: list[str] = field(default_factory=list)
    chars: int = field(init=False)

    def __post_init__(self) -> None:
        self.chars = len(self.joined) + sum(map(len, self.pieces))

    @property
    def text(self) -> str:
        self._join()
        return self.joined

    @property
    def cuts(self) -> bytearray:
        """The length that each number added to the text, as variable-length integers."""
        self._join()
        return self.joined_cuts

    def _join(self) -> None:
        if self.pieces:
            for piece in self.pieces:
                put_length(self.joined_cuts, len(piece))
            self.joined = "".join((self.joined, *self.pieces))
            self.pieces = []

    def after(self, turn_id: str, number: int) -> Entry | None:
        """What follows `number` in this segment, as one entry; None when nothing does."""
        if self.seq <= number:
            return None
        fields = self.fields
        first = max(self.seq_from, number + 1)
        if self.type in FOLDED:
            fields = {"text": self.text[self._cut(first) :]}
        return Entry(
            seq=self.seq,
            at=self.at,
            turn_id=turn_id,
            type=self.type,
            fields=fields,
            seq_from=None if first == self.seq else first,
        )

    def _cut(self, first: int) -> int:
        return sum(islice(lengths(self.cuts), first - self.seq_from))


def _bytes_of(segment: Segment) -> int:
    fields = _text_bytes(_encode(segment.fields)) if segment.fields else 0
    return _SEGMENT_BYTES + len(segment.cuts) + _text_bytes(segment.text) + fields


def _text_bytes(text: str) -> int:
    """No less than its UTF-8, without making it."""
    return len(text) if text.isascii() else 4 * len(text)


def put_length(cuts: bytearray, length: int) -> None:
    """Append `length`, seven bits a byte, the lowest first."""
    while length > 0x7F:
        cuts.append(length & 0x7F | 0x80)
        length >>= 7
    cuts.append(length)


def lengths(cuts: bytes | bytearray) -> Iterator[int]:
    """The lengths that `put_length` appended."""
    value = shift = 0
    for byte in cuts:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield value
            value = shift = 0


class Answer:
    """A turn's entries, folded. `changed` is the first segment that was not stored yet, `bytes` at
    least what it takes in the store. `is_full` is more than a turn may hold; what ends it is added
    all the same.
    """

    def __init__(self, turn_id: str, segments: list[Segment] | None = None) -> None:
        self.turn_id = turn_id
        self.segments = segments or []
        self.changed = len(self.segments)
        self.chars = sum(segment.chars for segment in self.segments)
        self.bytes = sum(map(_bytes_of, self.segments))
        self.limit(MOST_CHARS)

    @property
    def seq(self) -> int:
        return self.segments[-1].seq if self.segments else 0

    @property
    def is_ended(self) -> bool:
        return bool(self.segments) and self.segments[-1].type == ENDED

    def limit(self, most_chars: int) -> None:
        """It may hold so much text."""
        self._most_chars = most_chars
        self.is_full = self.chars > most_chars or self.bytes > MOST_BYTES

    @property
    def is_stored(self) -> bool:
        return self.changed >= len(self.segments)

    def add(self, entry: Entry) -> None:
        if entry.type in FOLDED:
            self._add_text(entry, entry.fields["text"])
        else:
            self.chars += len(entry.fields.get("text", ""))
            self._begin(Segment(entry.type, entry.first, entry.seq, entry.at, entry.fields))
        self.is_full = self.chars > self._most_chars or self.bytes > MOST_BYTES

    def _add_text(self, entry: Entry, text: str) -> None:
        length = len(text)
        self.chars += length
        last = self.segments[-1] if self.segments else None
        if (
            last is None
            or last.type != entry.type
            or last.seq + 1 != entry.seq
            or last.chars >= _SEGMENT_CHARS
        ):
            self._begin(Segment(entry.type, entry.seq, entry.seq, entry.at, pieces=[text]))
            return
        last.pieces.append(text)
        last.chars += length
        last.seq = entry.seq
        self.bytes += _text_bytes(text) + _CUT_BYTES
        if self.changed == len(self.segments):
            self.changed -= 1

    def _begin(self, segment: Segment) -> None:
        self.changed = min(self.changed, len(self.segments))
        self.segments.append(segment)
        self.bytes += _bytes_of(segment)

    def stored(self) -> None:
        self.changed = len(self.segments)

    def after(self, number: int) -> list[Entry]:
        """Everything that follows `number`, folded."""
        found = (segment.after(self.turn_id, number) for segment in self.segments)
        return [entry for entry in found if entry is not None]

    def stretches(self) -> list[str]:
        """The answer's text between tools, with replaced text replaced."""
        parts = [""]
        for segment in self.segments:
            if segment.type == "tool.started":
                parts.append("")
            elif segment.type == "text.replaced":
                parts[-1] = segment.fields["text"]
            elif segment.type == "text":
                parts[-1] += segment.text
        return parts

    @property
    def text(self) -> str:
        """The answer as a reader sees it at the end."""
        return "".join(self.stretches()).strip()

    @property
    def streamed(self) -> str:
        """All text in the order it came, nothing replaced."""
        return "".join(segment.text for segment in self.segments if segment.type == "text")
