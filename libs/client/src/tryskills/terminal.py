"""The terminal: lines, an answer that grows, and questions.

A skill or an agent writes what is shown here, so control characters, with which a text can move
the cursor or change what was said before, are left out.
"""

import asyncio
import re
import sys
from typing import TextIO

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    return CONTROL.sub("", text.replace("\r\n", "\n"))


class Terminal:
    """Writes to `out`; `grows` while the last line is an answer that is not finished."""

    def __init__(self, out: TextIO | None = None, *, interactive: bool | None = None) -> None:
        self._out = out or sys.stdout
        self._grows = False
        self.interactive = sys.stdin.isatty() if interactive is None else interactive

    def line(self, text: str = "") -> None:
        if self._grows:
            self._out.write("\n")
        self._grows = False
        self._out.write(clean(text) + "\n")
        self._out.flush()

    def raw(self, content: bytes) -> None:
        """Bytes as they are, for a pipe."""
        self._out.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.flush()

    def field(self, name: str, value: str) -> None:
        self.line(f"{name:9} {value}")

    def grow(self, text: str) -> None:
        """Go on with the answer."""
        text = clean(text)
        self._out.write(text)
        self._out.flush()
        self._grows = not text.endswith("\n") if text else self._grows

    async def ask(self, question: str, default: str) -> str:
        """What the person types; `default` for an empty line or where nobody can be asked."""
        if not self.interactive:
            return default
        self.grow(question)
        self._grows = False
        answer = await asyncio.to_thread(sys.stdin.readline)
        return answer.strip() or default
