"""Hiding the values of known secrets in what an agent says.

A skill's variables are in the sandbox, so the agent can print them; what it prints is kept, shown
and shared. Each value is looked for as it is and in the forms that a program gives it on the way:
escaped in JSON, in a URL, in base64 at any of its three alignments, in hexadecimal.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

SHORTEST = 6
"""A shorter value is too common a piece of text to be hidden."""

_WORDS = re.compile(r"[A-Za-z]{1,20}([ ,.'_-]{1,2}[A-Za-z]{1,20}){0,7}\.?")
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASS|PWD|CRED|AUTH|COOKIE|SESSION|PRIVATE|SIGN", re.I)
_SHORTEST_PIECE = 8
_SHORTEST_LINE = 12


class Redactor:
    """`secrets` by name; the name takes the value's place."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._masks: dict[str, str] = {}
        for name, value in secrets.items():
            if is_plain(name, value):
                continue
            for form in forms_of(value):
                self._masks.setdefault(form, f"[secret {name}]")
        # The longest first, so that a value which begins another does not hide it in part.
        longest_first = sorted(self._masks, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))
        self._beginnings = frozenset(form[0] for form in self._masks)
        self._longest = max(map(len, self._masks), default=0)

    def __bool__(self) -> bool:
        return bool(self._masks)

    def text(self, text: str) -> str:
        """`text` as a whole; a value that its end cuts off is hidden too."""
        if not self._masks or not text:
            return text
        done, rest = self.split(text)
        if len(rest) >= _SHORTEST_PIECE:
            rest = "[secret]"
        return done + rest

    def anything(self, value: Any) -> Any:
        """The same in whatever JSON holds."""
        if not self._masks:
            return value
        match value:
            case str():
                return self.text(value)
            case dict():
                return {self.text(str(k)): self.anything(v) for k, v in value.items()}
            case list() | tuple():
                return [self.anything(item) for item in value]
            case _:
                return value

    def split(self, text: str) -> tuple[str, str]:
        """What can be shown, and the end of `text` that may be the beginning of a value."""
        shown: list[str] = []
        at = 0
        while True:
            held = self._held(text, at)
            found = self._pattern.search(text, at)
            if found is None or found.start() >= held:
                shown.append(text[at:held])
                return "".join(shown), text[held:]
            shown += (text[at : found.start()], self._masks[found.group()])
            at = found.end()

    def _held(self, text: str, at: int) -> int:
        """Where an unfinished value begins in `text[at:]`; its end where none does."""
        for start in range(max(at, len(text) - self._longest + 1), len(text)):
            if text[start] in self._beginnings:
                rest = text[start:]
                if any(len(form) > len(rest) and form.startswith(rest) for form in self._masks):
                    return start
        return len(text)


class RedactedStream:
    """Text that comes in pieces; holds back what may be the beginning of a value."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = ""

    def feed(self, text: str) -> str:
        shown, self._held = self._redactor.split(self._held + text)
        return shown

    def end(self) -> str:
        """What was held back and turned out to be no value."""
        held, self._held = self._held, ""
        return held


def is_plain(name: str, value: str) -> bool:
    """Whether a variable is a setting in words, such as a team's name: nothing to hide."""
    return _WORDS.fullmatch(value) is not None and _SECRET_NAME.search(name) is None


def forms_of(value: str) -> Iterator[str]:
    """Every text by which `value` is recognised."""
    if len(value) < SHORTEST:
        return
    yield value
    yield from (line.strip() for line in value.splitlines() if len(line.strip()) >= _SHORTEST_LINE)
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield quote(value, safe="")
    yield quote_plus(value)
    content = value.encode()
    yield content.hex()
    yield content.hex().upper()
    for offset in range(3):
        # Whatever stands before it: these characters are the value's alone.
        encoded = base64.b64encode(bytes(offset) + content)
        inner = encoded[(offset * 8 + 5) // 6 : (offset + len(content)) * 8 // 6].decode()
        if len(inner) >= _SHORTEST_PIECE:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")
