"""Repositories of other git servers that the operator opened, read like open directories: their
default branch, looked at again after a minute.
"""

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.clock import Clock, utc_now

from skill_resolver.adapters.git import Git
from skill_resolver.adapters.sparse import SparseLimits, survey
from skill_resolver.errors import SourceUnavailableError
from skill_resolver.model.reference import LOCAL_OWNER, SkillRef
from skill_resolver.model.tree import Tree
from skill_resolver.ports import LocalSkills, Snapshot

_TTL = timedelta(seconds=60)


@dataclass(frozen=True)
class _Seen:
    commit: str
    at: datetime


class GitRoots(LocalSkills):
    """`roots` are `label=address`, or addresses whose last part is the label."""

    def __init__(
        self, roots: Iterable[str], git: Git, limits: SparseLimits, clock: Clock = utc_now
    ) -> None:
        self._git = git
        self._limits = limits
        self._clock = clock
        self._addresses: Mapping[str, str] = dict(map(_labelled, roots))
        self._seen: dict[str, _Seen] = {}
        self._snapshots: dict[str, Snapshot] = {}
        self._lock = threading.Lock()

    def locate(self, text: str) -> SkillRef | None:
        for label, address in self._addresses.items():
            for start in (address, address.removesuffix(".git")):
                if text.strip().rstrip("/") == start:
                    return SkillRef(LOCAL_OWNER, label)
        return None

    def tree(self, label: str) -> Tree | None:
        commit = self.state(label)
        if commit is None:
            return None
        with self._lock:
            snapshot = self._snapshots.get(label)
            if snapshot is None or snapshot.commit != commit:
                address = self._addresses[label]
                snapshot = survey(self._git, address, commit, self._limits)
                self._snapshots[label] = snapshot
        return snapshot.tree

    def state(self, label: str) -> str | None:
        """The commit of the default branch; the last one seen while the server does not answer."""
        address = self._addresses.get(label)
        if address is None:
            return None
        seen = self._seen.get(label)
        if seen is None or self._clock() - seen.at >= _TTL:
            try:
                seen = _Seen(self._git.head(address), self._clock())
            except SourceUnavailableError:
                if seen is None:
                    raise
            self._seen[label] = seen
        return seen.commit


class OpenPlaces(LocalSkills):
    """Several kinds of places as one; the first that knows a label has it."""

    def __init__(self, *places: LocalSkills) -> None:
        self._places = places

    def locate(self, text: str) -> SkillRef | None:
        found = (place.locate(text) for place in self._places)
        return next((ref for ref in found if ref is not None), None)

    def tree(self, label: str) -> Tree | None:
        found = (place.tree(label) for place in self._places)
        return next((tree for tree in found if tree is not None), None)

    def state(self, label: str) -> str | None:
        found = (place.state(label) for place in self._places)
        return next((state for state in found if state is not None), None)


def _labelled(root: str) -> tuple[str, str]:
    label, _, address = root.rpartition("=")
    name = label or address.rstrip("/").rpartition("/")[2].removesuffix(".git")
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-.") or "skills", address
