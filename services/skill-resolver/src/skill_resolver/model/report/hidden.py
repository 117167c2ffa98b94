"""Characters that a person does not see and a model reads: tags, zero-width, direction marks,
variation selectors.
"""

import re
from collections.abc import Iterator

from common.contracts.skills import Severity

_SINGLE = "".join(
    chr(code)
    for first, last in (
        *((0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x2069), (0xFE00, 0xFE0E)),
        (0xFEFF, 0xFEFF),
    )
    for code in range(first, last + 1)
)
_ASTRAL = b"\x40\xdb"
"""The first half of all tags and of the variation selectors beyond the first sixteen."""
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{2,8}\U000e007f")
_TAGS = re.compile(r"[\U000e0001-\U000e007f]+")
_SELECTORS = re.compile(r"[\U000e0100-\U000e01ef]{3,}|[\ufe00-\ufe0f]{4,}")
_ZERO_RUN = re.compile(r"[\u200b-\u200d\u2060-\u2064\ufeff]{8,}")
_ZERO_IN_WORD = re.compile(r"(?<=[A-Za-z])[\u200b\u200c\u2060-\u2064\ufeff]+(?=[A-Za-z])")
_OVERRIDE = re.compile(r"[\u202d\u202e]")
_EMBEDDING = re.compile(r"[\u202a\u202b\u2066-\u2068]")
_RTL_LETTER = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_MIN_TAGS = 3
_MAX_SHOWN = 120
_MAX_EACH = 5


def in_text(body: str) -> Iterator[tuple[str, Severity, int, str]]:
    """Rule, severity, offset and what to show, for each hidden thing."""
    body = body[1:] if body.startswith("\ufeff") else body
    if body.isascii() or not _may_hide(body):
        return
    flagless = _FLAG.sub(lambda match: "\U0001f3f4" + " " * (len(match[0]) - 1), body)
    yield from _tags(flagless)
    for pattern, rule, severity in (
        (_SELECTORS, "hidden-selectors", Severity.CRITICAL),
        (_ZERO_RUN, "hidden-zero-width", Severity.CRITICAL),
        (_ZERO_IN_WORD, "zero-width", Severity.WARNING),
        (_OVERRIDE, "bidi-override", Severity.DANGER),
    ):
        for match, _ in zip(pattern.finditer(flagless), range(_MAX_EACH), strict=False):
            yield rule, severity, match.start(), _shown(match[0])
    if not _RTL_LETTER.search(body):
        for match, _ in zip(_EMBEDDING.finditer(flagless), range(_MAX_EACH), strict=False):
            yield "bidi-embedding", Severity.WARNING, match.start(), _shown(match[0])


def _may_hide(body: str) -> bool:
    """Quickly: a search for single characters is ten times as fast as one for a class of them."""
    if any(char in body for char in _SINGLE):
        return True
    return _ASTRAL in body.encode("utf-16-le", "surrogatepass")


def _tags(body: str) -> Iterator[tuple[str, Severity, int, str]]:
    for match, _ in zip(_TAGS.finditer(body), range(_MAX_EACH), strict=False):
        if len(match[0]) >= _MIN_TAGS:
            said = "".join(chr(ord(char) - 0xE0000) for char in match[0] if ord(char) >= 0xE0020)
            yield "hidden-tags", Severity.CRITICAL, match.start(), f"says: {said[:_MAX_SHOWN]}"


def in_name(path: str) -> Iterator[tuple[str, Severity]]:
    if _OVERRIDE.search(path) or _TAGS.search(path):
        yield "bidi-override", Severity.DANGER
    elif re.search(r"[\u200b\u2060\ufeff]", path):
        yield "zero-width", Severity.WARNING


def _shown(text: str) -> str:
    return " ".join(f"U+{ord(char):04X}" for char in text[:10])
