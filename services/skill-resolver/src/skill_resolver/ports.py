"""What the use cases need of the outside."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from common.contracts.events import OutgoingEvent
from common.contracts.skills import RepositorySkills, ResolvedSkill

from skill_resolver.model.reference import SkillRef
from skill_resolver.model.report import Finding
from skill_resolver.model.tree import Tree


@dataclass(frozen=True)
class Snapshot:
    """A repository at one commit; `size` is what it takes on disk.

    `is_exact`: these are the committed bytes. An archive leaves out or rewrites what the
    repository's attributes say.
    """

    tree: Tree
    commit: str
    etag: str = ""
    size: int = 0
    is_exact: bool = False


@dataclass(frozen=True)
class Head:
    """What a branch or tag pointed to when it was last looked at; `is_large` when the archive of
    its repository is too large to be asked for again.
    """

    commit: str
    etag: str
    checked_at: datetime
    is_large: bool = False


class Repositories(Protocol):
    """Public repositories by owner and name."""

    async def download(
        self, repository: str, ref: str, etag: str = "", *, is_patient: bool = False
    ) -> Snapshot | None:
        """The repository at `ref` ("" is the default branch); None if `etag` still stands for it.
        `is_patient` when there is no other way that might be faster.

        Raises:
            RepositoryNotFoundError, RefNotFoundError: no such repository, or not that ref in it.
            SourceRateLimitedError, SourceUnavailableError: come back later.
            ArchiveTooLargeError, SkillUnreadableError: the archive passes the limits, or is none.
        """

    async def survey(self, repository: str, commit: str) -> Snapshot:
        """The repository at a full commit id, exactly as committed; each file is fetched when it
        is read.
        """

    async def commit(self, repository: str, ref: str) -> str:
        """The commit that `ref` means, without any files. Raises as `download` does."""

    async def refs(self, repository: str, prefix: str) -> Mapping[str, str]:
        """Branches and tags whose names begin with `prefix`, with their commits."""

    def close(self) -> None:
        """End what still runs."""


class LocalSkills(Protocol):
    """Directories of this machine that the operator opened."""

    def locate(self, text: str) -> SkillRef | None:
        """The skill that a path means; None for what is not a path inside an open directory."""

    def tree(self, label: str) -> Tree | None:
        """Everything below an open directory."""

    def state(self, label: str) -> str | None:
        """40 hexadecimal digits that change whenever a file below the directory may have."""


class Resolutions(Protocol):
    """What was found before. `question` names a question about a repository at one commit."""

    async def answer(self, question: str) -> ResolvedSkill | None: ...

    async def by_digest(self, digest: str) -> ResolvedSkill | None: ...

    async def save(self, question: str, skill: ResolvedSkill, event: OutgoingEvent) -> None:
        """Store the answer and its event in one step; an answer that is there already is kept."""

    async def head(self, repository: str, ref: str) -> Head | None: ...

    async def save_head(self, repository: str, ref: str, head: Head) -> None: ...

    async def listing(self, repository: str, commit: str) -> RepositorySkills | None: ...

    async def save_listing(self, repository: str, listing: RepositorySkills) -> None: ...

    async def findings(self, digest: str, rules_version: int) -> list[Finding] | None:
        """What the rules of that version found in the files of a digest; None if never asked."""

    async def save_findings(
        self, digest: str, rules_version: int, findings: Sequence[Finding]
    ) -> None: ...

    async def forget_unused(self, before: datetime) -> list[str]:
        """Remove answers nobody asked for since `before`, and the reports of digests that no
        answer has any more; return those digests.
        """

    async def unknown(self, digests: Collection[str]) -> list[str]:
        """Which of these no answer has."""


class Bundles(Protocol):
    """Skills' files by digest."""

    async def put(self, digest: str, content: bytes) -> None: ...

    async def get(self, digest: str) -> bytes | None: ...

    async def has(self, digest: str) -> bool: ...

    async def delete(self, digest: str) -> None: ...

    async def written_before(self, time: datetime) -> list[str]:
        """Digests of bundles that have lain there since before `time`."""
