"""A launch's journal folded into what a person watches: the phases of the path that was taken."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

TITLES = {
    "wait": "Waiting for your sandbox",
    "create": "Making your sandbox",
    "wake": "Waking your sandbox",
    "configure": "Writing the agent's settings",
    "upload": "Fetching the skill's files",
    "verify": "Putting them in and comparing them with the digest",
    "agent": "Starting the agent",
    "endpoint": "Opening the way to the agent",
}
PATHS = {
    "instant": "The skill is installed and the agent awake: nothing is left to do.",
    "install": "Your sandbox is there; the skill goes in.",
    "create": "You have no sandbox yet, so one is made.",
}
_WAKING = "Your sandbox is asleep, so it is woken."
HEADINGS = {
    "pending": "Launching",
    "running": "Launching",
    "ready": "Ready",
    "failed": "The launch failed",
    "cancelled": "The launch was cancelled",
}
OVER = frozenset({"ready", "failed", "cancelled"})
PLANS = {
    "install": ("upload", "verify"),
    "create": ("create", "configure", "agent", "upload", "verify"),
}
"""The phases that a path usually takes, in the order of their beginnings."""

_MOST_LOG = 40

Entry = dict[str, Any]
Durations = Mapping[str, float]
"""Seconds by phase."""


@dataclass
class Phase:
    """`usual`: how long it took the last time, in seconds."""

    name: str
    state: str
    started: str = ""
    took: float | None = None
    detail: str = ""
    usual: float | None = None

    @property
    def title(self) -> str:
        return TITLES.get(self.name, self.name)


@dataclass
class Progress:
    """What is known of a launch after the entries applied so far.

    `usual` is how long each phase of a path took the last time; `log` is the journal in lines.
    """

    usual: Mapping[str, Durations] = field(default_factory=dict)
    state: str = "pending"
    path: str | None = None
    taken: list[Phase] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    error: Entry | None = None
    began: str = ""
    took: float | None = None

    @property
    def heading(self) -> str:
        return HEADINGS[self.state]

    @property
    def path_words(self) -> str:
        if any(phase.name == "wake" for phase in self.taken):
            return _WAKING
        return PATHS.get(self.path or "", "")

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    @property
    def phases(self) -> list[Phase]:
        """What was done, and what is usually still to come."""
        usual = self.usual.get(self.path or "", {})
        for phase in self.taken:
            phase.usual = usual.get(phase.name)
        if self.is_over:
            return self.taken
        done = {phase.name for phase in self.taken}
        coming = [name for name in PLANS.get(self.path or "", ()) if name not in done]
        return [*self.taken, *(Phase(name, "coming", usual=usual.get(name)) for name in coming)]

    def apply(self, entry: Entry) -> None:
        """Take the next entry; a type that is not known changes nothing."""
        if fold := _FOLDS.get(entry["type"]):
            fold(self, entry)
            self._tell(entry)

    def _tell(self, entry: Entry) -> None:
        words = [entry["type"]]
        words += [str(entry[name]) for name in ("phase", "path", "state") if entry.get(name)]
        if "duration_ms" in entry:
            words.append(f"{entry['duration_ms']} ms")
        words += [str(entry[name]) for name in ("text", "detail", "reason") if entry.get(name)]
        if entry.get("error"):
            words.append(entry["error"]["code"])
        self.log.append(f"{entry['at'][11:23]}  {' '.join(words)}")
        del self.log[:-_MOST_LOG]


def _path(progress: Progress, entry: Entry) -> None:
    progress.state = "running"
    progress.path = entry.get("path") or progress.path
    progress.began = progress.began or entry["at"]


def _started(progress: Progress, entry: Entry) -> None:
    progress.state = "running"
    progress.taken.append(Phase(entry["phase"], "running", entry["at"]))


def _ended_phase(progress: Progress, entry: Entry) -> None:
    phase = _open_phase(progress, entry)
    phase.state = "failed" if entry["type"] == "phase.failed" else "done"
    phase.detail = entry.get("detail", "") if phase.state == "failed" else ""
    if "duration_ms" in entry:
        phase.took = entry["duration_ms"] / 1000


def _open_phase(progress: Progress, entry: Entry) -> Phase:
    for phase in reversed(progress.taken):
        if phase.name == entry["phase"] and phase.state == "running":
            return phase
    progress.taken.append(Phase(entry["phase"], "running", entry["at"]))
    return progress.taken[-1]


def _notice(progress: Progress, entry: Entry) -> None:
    progress.notices.append(entry["text"])


def _over(progress: Progress, entry: Entry) -> None:
    progress.state = entry["state"]
    progress.path = entry.get("path") or progress.path
    error = entry.get("error")
    progress.error = {"link": None, "retry_at": None, **error} if error else None
    if progress.began:
        began, ended = (datetime.fromisoformat(at) for at in (progress.began, entry["at"]))
        progress.took = (ended - began).total_seconds()
    for phase in progress.taken:
        if phase.state == "running":
            phase.state = "done" if progress.state == "ready" else "failed"


_FOLDS: dict[str, Callable[[Progress, Entry], None]] = {
    "launch.started": _path,
    "launch.planned": _path,
    "phase.started": _started,
    "phase.completed": _ended_phase,
    "phase.failed": _ended_phase,
    "notice": _notice,
    "launch.ended": _over,
}
