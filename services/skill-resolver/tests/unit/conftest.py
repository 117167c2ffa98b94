"""A resolver over fakes of everything around it."""

import asyncio
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

import pytest
from common.clock import Clock, utc_now
from common.contracts.events import OutgoingEvent
from common.contracts.skills import RepositorySkills, ResolvedSkill
from common.errors import AppError
from common.testing.fakes import StoppedClock
from skill_resolver.errors import (
    ArchiveTooLargeError,
    RefNotFoundError,
    RepositoryNotFoundError,
    SourceRateLimitedError,
    SourceUnavailableError,
)
from skill_resolver.model.reference import LOCAL_OWNER, SkillRef
from skill_resolver.model.report import Finding
from skill_resolver.model.tree import Tree
from skill_resolver.ports import Head, Snapshot
from skill_resolver.service import Resolver, Rules, SnapshotBudget, Snapshots

MakeTree = Callable[..., Tree]
Md = Callable[..., str]


def commit(number: int) -> str:
    return f"{number:040x}"


class FakeRepositories:
    """Repositories in memory: `{(repository, ref): (commit, tree)}`; counts what it is asked.

    `committed` holds the trees of commits whose archives are not what was committed.
    """

    def __init__(self) -> None:
        self.by_ref: dict[tuple[str, str], tuple[str, Tree]] = {}
        self.committed: dict[str, Tree] = {}
        self.downloads: list[str] = []
        self.unchanged = 0
        self.limited = False
        self.too_large = False
        self.broken: AppError | None = None
        self.without_git = False
        self.surveys = 0
        self.asked = 0
        self.patient = 0
        self.ref_lists = 0

    async def download(
        self, repository: str, ref: str, etag: str = "", *, is_patient: bool = False
    ) -> Snapshot | None:
        await asyncio.sleep(0)
        self.asked += 1
        self.patient += is_patient
        if self.limited:
            raise SourceRateLimitedError("wait")
        if self.broken is not None and not is_patient:
            raise self.broken
        commit, tree = self._found(repository, ref)
        if self.too_large:
            raise ArchiveTooLargeError("archive", commit)
        if etag == f'"{commit}"':
            self.unchanged += 1
            return None
        self.downloads.append(f"{repository}@{ref}")
        return Snapshot(tree, commit, f'"{commit}"', 10)

    async def survey(self, repository: str, commit: str) -> Snapshot:
        await asyncio.sleep(0)
        self.surveys += 1
        if self.without_git:
            raise SourceUnavailableError("no git here")
        tree = self.committed.get(commit) or self._found(repository, commit)[1]
        return Snapshot(tree, commit, is_exact=True)

    async def commit(self, repository: str, ref: str) -> str:
        return self._found(repository, ref)[0]

    async def refs(self, repository: str, prefix: str) -> Mapping[str, str]:
        self.ref_lists += 1
        known = {ref: f[0] for (r, ref), f in self.by_ref.items() if r == repository}
        if not known:
            raise RepositoryNotFoundError("gone")
        return {ref: sha for ref, sha in known.items() if ref.startswith(prefix)}

    def close(self) -> None:
        self.limited = True

    def _found(self, repository: str, ref: str) -> tuple[str, Tree]:
        found = self.by_ref.get((repository, ref)) or next(
            (f for (r, _), f in self.by_ref.items() if r == repository and f[0] == ref), None
        )
        if found is not None:
            return found
        if any(r == repository for r, _ in self.by_ref):
            raise RefNotFoundError("no such branch")
        raise RepositoryNotFoundError("gone")


class FakeLocal:
    def __init__(self) -> None:
        self.trees: dict[str, Tree] = {}

    def locate(self, text: str) -> SkillRef | None:
        label, _, path = text.removeprefix("./").partition("/")
        return SkillRef(LOCAL_OWNER, label, path=path) if text.startswith("./") else None

    def tree(self, label: str) -> Tree | None:
        return self.trees.get(label)

    def state(self, label: str) -> str | None:
        tree = self.trees.get(label)
        if tree is None:
            return None
        contents = repr([(path, tree.read(path)) for path in tree.paths])
        return hashlib.sha256(contents.encode()).hexdigest()[:40]


class FakeResolutions:
    def __init__(self) -> None:
        self.answers: dict[str, ResolvedSkill] = {}
        self.events: list[OutgoingEvent] = []
        self.heads: dict[tuple[str, str], Head] = {}
        self.listings: dict[tuple[str, str], RepositorySkills] = {}
        self.reports: dict[str, tuple[int, Sequence[Finding]]] = {}
        self.reports_saved = 0

    async def answer(self, question: str) -> ResolvedSkill | None:
        return self.answers.get(question)

    async def by_digest(self, digest: str) -> ResolvedSkill | None:
        return next((s for s in self.answers.values() if s.digest == digest), None)

    async def save(self, question: str, skill: ResolvedSkill, event: OutgoingEvent) -> None:
        if question not in self.answers:
            self.answers[question] = skill
            self.events.append(event)

    async def head(self, repository: str, ref: str) -> Head | None:
        return self.heads.get((repository, ref))

    async def save_head(self, repository: str, ref: str, head: Head) -> None:
        self.heads[repository, ref] = head

    async def listing(self, repository: str, commit: str) -> RepositorySkills | None:
        return self.listings.get((repository, commit))

    async def save_listing(self, repository: str, listing: RepositorySkills) -> None:
        self.listings[repository, listing.commit] = listing

    async def findings(self, digest: str, rules_version: int) -> list[Finding] | None:
        version, found = self.reports.get(digest, (0, []))
        return list(found) if version == rules_version else None

    async def save_findings(
        self, digest: str, rules_version: int, findings: Sequence[Finding]
    ) -> None:
        self.reports[digest] = (rules_version, findings)
        self.reports_saved += 1

    async def forget_unused(self, before: datetime) -> list[str]:
        gone = [s.digest for s in self.answers.values() if s.resolved_at < before]
        self.answers = {q: s for q, s in self.answers.items() if s.resolved_at >= before}
        return await self.unknown(gone)

    async def unknown(self, digests: Collection[str]) -> list[str]:
        known = {skill.digest for skill in self.answers.values()}
        return [digest for digest in digests if digest not in known]


class FakeBundles:
    def __init__(self, clock: Clock = utc_now) -> None:
        self.by_digest: dict[str, bytes] = {}
        self.written: dict[str, datetime] = {}
        self._clock = clock

    async def put(self, digest: str, content: bytes) -> None:
        self.by_digest[digest] = content
        self.written[digest] = self._clock()

    async def get(self, digest: str) -> bytes | None:
        return self.by_digest.get(digest)

    async def has(self, digest: str) -> bool:
        return digest in self.by_digest

    async def delete(self, digest: str) -> None:
        self.by_digest.pop(digest, None)
        self.written.pop(digest, None)

    async def written_before(self, time: datetime) -> list[str]:
        return [digest for digest, at in self.written.items() if at < time]


class World:
    """A resolver and everything around it."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.github = FakeRepositories()
        self.local = FakeLocal()
        self.known = FakeResolutions()
        self.clock = StoppedClock()
        self.bundles = FakeBundles(self.clock)
        self.rules = rules or Rules()
        self.resolver = self.another()

    def another(self) -> Resolver:
        """A second process over the same stores."""
        snapshots = Snapshots(self.github, self.known, self.clock, SnapshotBudget())
        return Resolver(snapshots, self.local, self.known, self.bundles, self.rules, self.clock)


@pytest.fixture
def world(make_tree: MakeTree, md: Md) -> World:
    world = World()
    tree = make_tree({"skills/pdf/SKILL.md": md("pdf"), "skills/docx/SKILL.md": md("docx")})
    world.github.by_ref["acme/tools", ""] = commit(1), tree
    world.github.by_ref["acme/tools", "main"] = commit(1), tree
    return world
