"""The variables that commands started from now on see."""

import os
from collections.abc import Mapping


class Environment:
    """The sandbox's variables with what was set and unset since the start laid over them."""

    def __init__(self, base: Mapping[str, str]) -> None:
        self._base = dict(base)
        self._set: dict[str, str] = {}
        self._unset: set[str] = set()

    def update(self, added: Mapping[str, str], removed: list[str]) -> dict[str, str]:
        """Apply a change and return what is set over the start's variables."""
        self._set |= added
        self._unset = (self._unset - added.keys()) | set(removed)
        for name in removed:
            self._set.pop(name, None)
        return dict(self._set)

    def for_command(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {name: value for name, value in self._base.items() if name not in self._unset}
        return kept | self._set | dict(extra or {})


def inherited() -> Environment:
    return Environment(os.environ)  # noqa: TID251 - the host set it; there are no settings here
