"""What the agent means against what it streamed.

The agent's stream is not its answer: when the model's connection breaks, the agent asks it to go
on and some models start over, so that the text is doubled; and some text stands only in the final
answer. `Wording` follows the text since the last tool and says what a viewer has to be told.
"""

from dataclasses import dataclass

_SURE_CHARS = 4
RESTARTED = "the model's connection broke and it started over"
DIFFERS = "the agent's final answer differs from what it streamed"


@dataclass(frozen=True, slots=True)
class Append:
    text: str


@dataclass(frozen=True, slots=True)
class Replace:
    """`text` stands for all text since the last tool."""

    text: str
    reason: str


Change = Append | Replace


class Wording:
    """The text of a turn: `earlier` up to the last tool, `shown` since.

    Text since the last call of the model is kept in pieces: joining at each would cost its length.
    The agent's own text since the last tool is `_raw`, and of the pieces those from `_raw_at` on.
    """

    def __init__(self, earlier: str = "", shown: str = "") -> None:
        self._earlier = earlier
        self._settled = shown
        self._attempt: list[str] = []
        self._raw = shown
        self._raw_at = 0
        self._previous = ""
        self._before_previous = ""

    def delta(self, text: str) -> Replace | None:
        """`text` is shown; after it, what takes the place of all."""
        self._attempt.append(text)
        if not self._previous or not self._has_restarted():
            return None
        self._settled = self._before_previous
        self._previous = ""
        return Replace(self._shown, RESTARTED)

    def call_started(self) -> None:
        """A new call of the model: if text came since the last tool, this may start it over."""
        attempt = "".join(self._attempt)
        if not self._previous and len(attempt.strip()) >= _SURE_CHARS:
            self._previous = attempt.strip()
            self._before_previous = self._settled
        self._settled += attempt
        self._raw = self._streamed
        self._attempt, self._raw_at = [], 0

    def interim(self, text: str, *, streamed: bool) -> list[Change]:
        if streamed or not text.strip() or text.strip() in self._shown:
            return []
        self._raw = self._streamed
        self._attempt.append(text)
        self._raw_at = len(self._attempt)
        return [Append(text)]

    def tool_started(self) -> None:
        self._earlier += self._shown
        self._settled = self._previous = self._raw = ""
        self._attempt, self._raw_at = [], 0

    def repeats(self, final: str) -> bool:
        """Whether `final` is just what was shown since the last tool."""
        if final == self._shown:
            return bool(final.strip())
        plain = _plain(final)
        return bool(plain) and plain in {_plain(self._shown), _plain(self._streamed)}

    def finish(self, final: str) -> list[Change]:
        """What is missing to make the shown text the final one."""
        end, shown = final.strip(), self._shown.strip()
        if not end or self.repeats(end):
            return []
        for start in filter(None, (shown, self._streamed.strip())):
            if end.startswith(start):
                return [Append(end[len(start) :])]
        if not shown:
            return [] if end in self._earlier else [Append(final)]
        return [] if end in shown else [Replace(end, DIFFERS)]

    @property
    def _shown(self) -> str:
        return self._settled + "".join(self._attempt)

    @property
    def _streamed(self) -> str:
        """What the agent streamed since the last tool, also what was replaced."""
        return self._raw + "".join(self._attempt[self._raw_at :])

    def _has_restarted(self) -> bool:
        current = "".join(self._attempt).lstrip()
        if len(current) < len(self._previous):
            if not self._previous.startswith(current):
                self._previous = ""
            return False
        restarted = current.startswith(self._previous)
        if not restarted:
            self._previous = ""
        return restarted


def _plain(text: str) -> str:
    return "".join(text.split())
