"""A launch's journal folded into what a person watches: the phases of the path that was taken."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

TITLES = {
    "wait": "Waiting for your sandbox",
    "create": "Making your sandbox",
    "wake": "Waking your sandbox",
    "configure": "Writing the agent's settings",
    "upload": "Putting the skill's files in",
    "verify": "Comparing the bytes with the digest",
    "agent": "Starting the agent",
    "endpoint": "Opening the way to the agent",
}
PATHS = {
    "instant": "It is installed already: this takes a moment.",
    "install": "Your sandbox is there, the skill goes in: about a second.",
    "create": "You have no sandbox yet, so one is made: some seconds.",
}
HEADINGS = {
    "pending": "Launching",
    "running": "Launching",
    "ready": "Ready",
    "failed": "The launch failed",
    "cancelled": "The launch was cancelled",
}
OVER = frozenset({"ready", "failed", "cancelled"})

Entry = dict[str, Any]


@dataclass
class Phase:
    name: str
    state: str
    started: str
    took: float | None = None
    detail: str = ""

    @property
    def title(self) -> str:
        return TITLES.get(self.name, self.name)


@dataclass
class Progress:
    """What is known of a launch after the entries applied so far."""

    state: str = "pending"
    path: str | None = None
    phases: list[Phase] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    error: Entry | None = None

    @property
    def heading(self) -> str:
        return HEADINGS[self.state]

    @property
    def path_words(self) -> str:
        return PATHS.get(self.path or "", "")

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    def apply(self, entry: Entry) -> None:
        """Take the next entry; a type that is not known changes nothing."""
        if fold := _FOLDS.get(entry["type"]):
            fold(self, entry)


def _path(progress: Progress, entry: Entry) -> None:
    progress.state = "running"
    progress.path = entry.get("path") or progress.path


def _started(progress: Progress, entry: Entry) -> None:
    progress.state = "running"
    progress.phases.append(Phase(entry["phase"], "running", entry["at"]))


def _ended_phase(progress: Progress, entry: Entry) -> None:
    phase = _open_phase(progress, entry)
    phase.state = "failed" if entry["type"] == "phase.failed" else "done"
    phase.detail = entry.get("detail", "")
    if "duration_ms" in entry:
        phase.took = entry["duration_ms"] / 1000


def _open_phase(progress: Progress, entry: Entry) -> Phase:
    for phase in reversed(progress.phases):
        if phase.name == entry["phase"] and phase.state == "running":
            return phase
    progress.phases.append(Phase(entry["phase"], "running", entry["at"]))
    return progress.phases[-1]


def _notice(progress: Progress, entry: Entry) -> None:
    progress.notices.append(entry["text"])


def _over(progress: Progress, entry: Entry) -> None:
    progress.state = entry["state"]
    progress.path = entry.get("path") or progress.path
    progress.error = entry.get("error")
    for phase in progress.phases:
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
