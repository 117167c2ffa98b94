"""The answer's text as a client of OpenAI's API hears it: it can only be added to."""

from collections.abc import Sequence


class Speech:
    """`text` is all that was said and counts; `is_stopped` when a stop sequence came.

    What may be the beginning of a stop sequence is held back until it is clear. Where the agent
    takes words back, a listener hears the right ones after the wrong ones.
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self.is_stopped = False
        self._stops = stops
        self._held = ""
        self._stretches = [""]
        self._heard = ""
        self._longest = max(map(len, stops), default=1)

    @property
    def text(self) -> str:
        whole = "".join(self._stretches)
        ends = [at for stop in self._stops if (at := whole.find(stop)) >= 0]
        return whole[: min(ends, default=len(whole))].strip()

    def add(self, text: str) -> str:
        """What a listener hears now."""
        self._stretches[-1] += text
        return self._tell(text)

    def tool(self) -> None:
        self._stretches.append("")
        self._heard = ""

    def replace(self, text: str) -> str:
        """`text` stands for all since the last tool."""
        self._stretches[-1] = text
        heard = self._heard
        if text.startswith(heard):
            return self._tell(text[len(heard) :])
        return "" if heard.endswith(text) else self._tell(f"\n\n{text}")

    def rest(self) -> str:
        """What was held back, at the end."""
        held, self._held = self._held, ""
        return "" if self.is_stopped else held

    def _tell(self, text: str) -> str:
        if self.is_stopped:
            return ""
        self._heard += text
        waiting = self._held + text
        ends = [at for stop in self._stops if (at := waiting.find(stop)) >= 0]
        if ends:
            self.is_stopped = True
            self._held = ""
            return waiting[: min(ends)]
        keep = self._longest - 1
        split = max(len(waiting) - keep, 0)
        self._held = waiting[split:]
        return waiting[:split]
