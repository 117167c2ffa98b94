"""Repositories at a commit, fetched once: what a branch points to is believed for a minute, a
commit for ever.

After the minute the archive's ETag is shown to GitHub: an unchanged branch costs one request and
no bytes. When GitHub does not answer, or asks to wait, what was known is used and said to be old.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from common.clock import Clock
from common.errors import RateLimitedError, UnavailableError

from skill_resolver.errors import RepositoryNotFoundError, SkillTooLargeError
from skill_resolver.model.reference.ref import COMMIT
from skill_resolver.ports import Head, Repositories, Resolutions, Snapshot
from skill_resolver.service.flights import Flights


@dataclass(frozen=True)
class SnapshotBudget:
    """How many snapshots are kept at hand."""

    disk_bytes: int = 2 * 1024**3
    entries: int = 300_000
    head_ttl: timedelta = timedelta(seconds=60)


@dataclass(frozen=True)
class Pinned:
    """The commit of a ref; `is_old` when GitHub could not be asked again."""

    commit: str
    is_old: bool = False


class Snapshots:
    def __init__(
        self, repositories: Repositories, known: Resolutions, clock: Clock, budget: SnapshotBudget
    ) -> None:
        self._repositories = repositories
        self._known = known
        self._clock = clock
        self._budget = budget
        self._flights = Flights()
        self._heads: OrderedDict[tuple[str, str], Head] = OrderedDict()
        self._kept: OrderedDict[tuple[str, str], Snapshot] = OrderedDict()

    async def pin(self, repository: str, ref: str) -> Pinned:
        """The commit that `ref` means now ("" is the default branch)."""
        head = await self._head(repository, ref)
        if head is not None and self._is_fresh(ref, head):
            return Pinned(head.commit)
        try:
            snapshot = await self._flights.join(
                (repository, ref), lambda: self._refresh(repository, ref, head)
            )
        except (RateLimitedError, UnavailableError):
            if head is None:
                raise
            return Pinned(head.commit, is_old=True)
        return Pinned(snapshot)

    async def at(self, repository: str, commit: str) -> Snapshot:
        """The repository at exactly `commit`."""
        kept = self._kept.get((repository, commit))
        if kept is not None:
            self._kept.move_to_end((repository, commit))
            return kept
        return await self._flights.join(
            (repository, commit, "tree"), lambda: self._fetch(repository, commit)
        )

    async def refs(self, repository: str, prefix: str) -> Mapping[str, str]:
        return await self._repositories.refs(repository, prefix)

    async def drain(self) -> None:
        await self._flights.drain()

    def _is_fresh(self, ref: str, head: Head) -> bool:
        is_commit = COMMIT.fullmatch(ref) is not None
        return is_commit or self._clock() - head.checked_at < self._budget.head_ttl

    async def _head(self, repository: str, ref: str) -> Head | None:
        head = self._heads.get((repository, ref))
        if head is None or not self._is_fresh(ref, head):
            stored = await self._known.head(repository, ref)
            if stored is not None and (head is None or stored.checked_at > head.checked_at):
                head = stored
        return head

    async def _refresh(self, repository: str, ref: str, head: Head | None) -> str:
        etag = head.etag if head else ""
        snapshot = await self._taken(repository, ref, etag)
        if snapshot is None and head is not None:
            head = replace(head, checked_at=self._clock())
        elif snapshot is not None:
            self._keep(repository, snapshot)
            head = Head(snapshot.commit, snapshot.etag, self._clock())
        else:
            raise RepositoryNotFoundError(f"{repository} could not be read.")
        self._heads[repository, ref] = head
        self._heads.move_to_end((repository, ref))
        while len(self._heads) > _MAX_HEADS:
            self._heads.popitem(last=False)
        await self._known.save_head(repository, ref, head)
        return head.commit

    async def _fetch(self, repository: str, commit: str) -> Snapshot:
        snapshot = await self._taken(repository, commit, "")
        if snapshot is None or snapshot.commit != commit:
            raise RepositoryNotFoundError(f"{repository} has no commit {commit[:12]} any more.")
        self._keep(repository, snapshot)
        return snapshot

    async def _taken(self, repository: str, ref: str, etag: str) -> Snapshot | None:
        try:
            return await self._repositories.download(repository, ref, etag)
        except SkillTooLargeError:
            return await self._repositories.survey(repository, ref)

    def _keep(self, repository: str, snapshot: Snapshot) -> None:
        self._kept[repository, snapshot.commit] = snapshot
        self._kept.move_to_end((repository, snapshot.commit))
        while len(self._kept) > 1 and self._is_over_budget():
            self._kept.popitem(last=False)

    def _is_over_budget(self) -> bool:
        kept = self._kept.values()
        return (
            sum(snapshot.size for snapshot in kept) > self._budget.disk_bytes
            or sum(len(snapshot.tree.entries) for snapshot in kept) > self._budget.entries
        )


_MAX_HEADS = 5000
