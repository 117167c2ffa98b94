"""A text that is still being written, rendered block by block.

A block that another one follows is final and is never rendered again, so a long answer costs no
more per word than a short one. Lines count only when they are complete: half a line may look like
the start of another block.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from gateway.web.markdown import block_starts, render, render_open


class Blocks:
    """`final` blocks, and a tail that may still change."""

    def __init__(self, env: Mapping[str, Any] | None = None) -> None:
        self.final: list[Markup] = []
        self._open = ""
        self._env: dict[str, Any] = {"references": {}, "levels": [], **(env or {})}

    def add(self, text: str) -> None:
        self._open += text.replace("\r", "")

    def settle(self) -> None:
        """Make final what is followed by another block."""
        complete = self._open[: self._open.rfind("\n") + 1]
        starts = block_starts(complete, self._env)
        if len(starts) < 2:
            return
        lines = complete.split("\n")
        bounds = [0, *starts[1:]]
        for begin, end in pairwise(bounds):
            block = "\n".join(lines[begin:end]) + "\n"
            self.final.append(render(block, env=self._env))
            self._open = self._open[len(block) :]

    def tail(self, *, is_finished: bool = False) -> Markup:
        # What is rendered again does not count twice.
        env = {**self._env, "levels": list(self._env["levels"])}
        return render(self._open, env=env) if is_finished else render_open(self._open, env=env)
