"""Repositories at a commit, fetched once: what a branch points to is believed for a minute, a
commit for ever.

After the minute the archive's ETag is shown to GitHub: an unchanged branch costs one request and
no bytes. When GitHub does not answer, or asks to wait, what was known is used and said to be old.
A repository whose archive is too large is known as such: its branches are asked for by name, and
its files one by one; so it is for a minute where the archive does not come or is none. What is not
there is not asked for again within the minute.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from common.clock import Clock
from common.errors import RateLimitedError, UnavailableError

from skill_resolver.errors import (
    ArchiveTooLargeError,
    RefNotFoundError,
    RepositoryNotFoundError,
    SkillUnreadableError,
    SourceSlowError,
)
from skill_resolver.model.reference.ref import COMMIT
from skill_resolver.ports import Head, Repositories, Resolutions, Snapshot
from skill_resolver.service.flights import Flights

_MAX_HEADS = 5000
K = TypeVar("K")
V = TypeVar("V")
Missing = tuple[type[RepositoryNotFoundError | RefNotFoundError], str, datetime]


@dataclass(frozen=True)
class SnapshotBudget:
    """How many snapshots are kept at hand."""

    disk_bytes: int = 2 * 1024**3
    entries: int = 300_000
    head_ttl: timedelta = timedelta(seconds=60)
    large_ttl: timedelta = timedelta(days=1)


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
        self._missing: OrderedDict[tuple[str, str], Missing] = OrderedDict()
        self._by_git_until: OrderedDict[str, datetime] = OrderedDict()
        self._kept: OrderedDict[tuple[str, str, bool], Snapshot] = OrderedDict()

    async def pin(self, repository: str, ref: str) -> Pinned:
        """The commit that `ref` means now ("" is the default branch)."""
        head = await self._head(repository, ref)
        if head is not None and self._is_fresh(ref, head):
            return Pinned(head.commit)
        self._check_missing(repository, ref)
        try:
            commit = await self._flights.join(
                (repository, ref), lambda: self._refresh(repository, ref, head)
            )
        except (RateLimitedError, UnavailableError):
            if head is None:
                raise
            return Pinned(head.commit, is_old=True)
        except (RepositoryNotFoundError, RefNotFoundError) as exc:
            _put(self._missing, (repository, ref), (type(exc), exc.detail, self._clock()))
            raise
        return Pinned(commit)

    async def at(self, repository: str, commit: str) -> Snapshot:
        """The repository at exactly `commit`: its archive, if there is one."""
        archive = self._find(repository, commit, is_exact=False)
        kept = archive or self._find(repository, commit, is_exact=True)
        if kept is not None:
            return kept
        return await self._flights.join(
            (repository, commit, "tree"), lambda: self._fetch(repository, commit)
        )

    async def archive_at(self, repository: str, commit: str) -> Snapshot:
        """The archive after all, where git did not give the files; with patience."""
        return await self._flights.join(
            (repository, commit, "archive"), lambda: self._waited_for(repository, commit)
        )

    async def exactly_at(self, repository: str, commit: str) -> Snapshot:
        """The same with the bytes that were committed, whatever attributes say of archives."""
        kept = self._find(repository, commit, is_exact=True)
        if kept is not None:
            return kept
        return await self._flights.join(
            (repository, commit, "exact"), lambda: self._survey(repository, commit)
        )

    async def refs(self, repository: str, prefix: str) -> Mapping[str, str]:
        return await self._repositories.refs(repository, prefix)

    async def drain(self) -> None:
        self._repositories.close()
        await self._flights.drain()

    def _is_fresh(self, ref: str, head: Head) -> bool:
        is_commit = COMMIT.fullmatch(ref) is not None
        return is_commit or self._clock() - head.checked_at < self._budget.head_ttl

    def _check_missing(self, repository: str, ref: str) -> None:
        missing = self._missing.get((repository, ref))
        if missing is not None and self._clock() - missing[2] < self._budget.head_ttl:
            raise missing[0](missing[1])

    async def _head(self, repository: str, ref: str) -> Head | None:
        head = self._heads.get((repository, ref))
        if head is None or not self._is_fresh(ref, head):
            stored = await self._known.head(repository, ref)
            if stored is not None and (head is None or stored.checked_at > head.checked_at):
                head = stored
        if head is not None and head.is_large:
            self._ask_git(repository, self._budget.large_ttl)
        return head

    async def _refresh(self, repository: str, ref: str, head: Head | None) -> str:
        new = await self._looked_up(repository, ref, head)
        _put(self._heads, (repository, ref), new)
        await self._known.save_head(repository, ref, new)
        return new.commit

    async def _looked_up(self, repository: str, ref: str, head: Head | None) -> Head:
        if not self._is_by_git(repository):
            try:
                return await self._downloaded(repository, ref, head)
            except ArchiveTooLargeError as exc:
                self._ask_git(repository, self._budget.large_ttl)
                return Head(exc.commit, "", self._clock(), is_large=True)
            except (SourceSlowError, SkillUnreadableError):
                self._ask_git(repository, self._budget.head_ttl)
        commit = await self._repositories.commit(repository, ref)
        is_large = head is not None and head.is_large
        return Head(commit, "", self._clock(), is_large=is_large)

    async def _downloaded(self, repository: str, ref: str, head: Head | None) -> Head:
        snapshot = await self._repositories.download(repository, ref, head.etag if head else "")
        if snapshot is not None:
            self._keep(repository, snapshot)
            return Head(snapshot.commit, snapshot.etag, self._clock())
        if head is None:
            raise RepositoryNotFoundError(f"{repository} could not be read.")
        return replace(head, checked_at=self._clock())

    async def _fetch(self, repository: str, commit: str) -> Snapshot:
        if self._is_by_git(repository):
            return await self._survey(repository, commit)
        try:
            snapshot = await self._repositories.download(repository, commit)
        except ArchiveTooLargeError:
            self._ask_git(repository, self._budget.large_ttl)
            return await self._survey(repository, commit)
        except (SourceSlowError, SkillUnreadableError):
            self._ask_git(repository, self._budget.head_ttl)
            return await self._survey(repository, commit)
        return self._checked(repository, commit, snapshot)

    async def _waited_for(self, repository: str, commit: str) -> Snapshot:
        snapshot = await self._repositories.download(repository, commit, is_patient=True)
        self._by_git_until.pop(repository, None)
        return self._checked(repository, commit, snapshot)

    def _checked(self, repository: str, commit: str, snapshot: Snapshot | None) -> Snapshot:
        if snapshot is None or snapshot.commit != commit:
            raise RepositoryNotFoundError(f"{repository} has no commit {commit[:12]} any more.")
        self._keep(repository, snapshot)
        return snapshot

    def _is_by_git(self, repository: str) -> bool:
        until = self._by_git_until.get(repository)
        return until is not None and self._clock() < until

    def _ask_git(self, repository: str, during: timedelta) -> None:
        _put(self._by_git_until, repository, self._clock() + during)

    async def _survey(self, repository: str, commit: str) -> Snapshot:
        snapshot = await self._repositories.survey(repository, commit)
        self._keep(repository, snapshot)
        return snapshot

    def _find(self, repository: str, commit: str, *, is_exact: bool) -> Snapshot | None:
        key = (repository, commit, is_exact)
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
        return kept

    def _keep(self, repository: str, snapshot: Snapshot) -> None:
        key = (repository, snapshot.commit, snapshot.is_exact)
        self._kept[key] = snapshot
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and self._is_over_budget():
            self._kept.popitem(last=False)

    def _is_over_budget(self) -> bool:
        kept = self._kept.values()
        return (
            sum(snapshot.size for snapshot in kept) > self._budget.disk_bytes
            or sum(len(snapshot.tree.entries) for snapshot in kept) > self._budget.entries
        )


def _put(remembered: OrderedDict[K, V], key: K, value: V) -> None:
    """Remember, and forget what was put first when there is too much."""
    remembered[key] = value
    remembered.move_to_end(key)
    if len(remembered) > _MAX_HEADS:
        remembered.popitem(last=False)
