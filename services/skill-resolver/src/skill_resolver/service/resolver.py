"""From what a user pasted to a pinned skill with its files and its report."""

import asyncio
import base64
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field, replace

from common.clock import Clock
from common.contracts.events import SKILL_RESOLVED, SkillResolved
from common.contracts.skills import (
    BUNDLE_BUCKET,
    Bundle,
    RepositorySkills,
    ResolvedSkill,
    SkillFileContent,
)
from common.errors import ErrorCode, NotFoundError

from skill_resolver.errors import RefNotFoundError, RepositoryNotFoundError, SkillNotFoundError
from skill_resolver.model.assembly import Assembly, assemble
from skill_resolver.model.bundle import read_one
from skill_resolver.model.matching import Match, Matcher
from skill_resolver.model.reference import SkillRef, parse
from skill_resolver.model.reference.ref import checked_ref, repository
from skill_resolver.model.report import Policy
from skill_resolver.model.selection import Limits
from skill_resolver.model.tree import Tree
from skill_resolver.ports import Bundles, LocalSkills, Resolutions
from skill_resolver.service import presenting
from skill_resolver.service.files import ExactFiles, Files
from skill_resolver.service.flights import Flights
from skill_resolver.service.reports import Reports
from skill_resolver.service.snapshots import Snapshots
from skill_resolver.service.splitting import longer, shortest

logger = logging.getLogger(__name__)

MAX_FILE_IN_MESSAGE = 512 * 1024


@dataclass(frozen=True)
class Rules:
    """What an operator decides about resolving."""

    own_hosts: Collection[str] = ()
    policy: Callable[[], Policy] = Policy
    """What it is at this moment: an operator may change it while the service runs."""
    limits: Limits = field(default_factory=Limits)


class Resolver:
    def __init__(
        self,
        snapshots: Snapshots,
        locals_: LocalSkills,
        known: Resolutions,
        bundles: Bundles,
        rules: Rules,
        clock: Clock,
    ) -> None:
        self._snapshots = snapshots
        self._files = ExactFiles(snapshots)
        self._reports = Reports(known, self._bundle)
        self._locals = locals_
        self._known = known
        self._bundles = bundles
        self._rules = rules
        self._clock = clock
        self._flights = Flights()

    async def resolve(self, text: str) -> ResolvedSkill:
        """The skill that `text` means.

        Raises:
            SourceMalformedError, SourceUnsupportedError: not a reference to anything read here.
            RepositoryNotFoundError, SkillNotFoundError, SkillAmbiguousError: nothing certain.
            SourceRateLimitedError, SourceUnavailableError: the source cannot be asked now.
            SkillTooLargeError, SkillUnreadableError: found, but it cannot be taken.
        """
        ref = await asyncio.to_thread(self._locals.locate, text) or parse(
            text, self._rules.own_hosts
        )
        skill = await (self._local(ref) if ref.is_local else self._remote(ref))
        return await self._told(skill, text.strip())

    async def skill(self, digest: str) -> ResolvedSkill:
        skill = await self._by_digest(digest)
        return await self._told(skill, skill.ref)

    async def list_repository(self, owner: str, repo: str, ref: str | None) -> RepositorySkills:
        if owner.lower() == "local":
            return await self._list_local(repo)
        owner, repo = repository(owner, repo)
        name = f"{owner}/{repo}"
        pinned = await self._snapshots.pin(name, checked_ref(ref) if ref else "")
        known = await self._known.listing(name, pinned.commit)
        if known is not None and not ref:
            return known
        asked = SkillRef(owner, repo, ref=ref or "")
        files = await self._files.for_list(asked, pinned.commit)
        listing = await asyncio.to_thread(presenting.listing, files.tree, asked, pinned.commit)
        if not ref:
            await self._known.save_listing(name, listing)
        return listing

    async def read_file(self, digest: str, path: str) -> SkillFileContent:
        content = await self._bundle(digest)
        found = await asyncio.to_thread(read_one, content, path)
        if found is None:
            msg = "The skill has no such file."
            raise NotFoundError(msg, code=ErrorCode.FILE_NOT_FOUND)
        mode, data = found
        return SkillFileContent(
            path=path,
            size=len(data),
            mode=mode,
            content_base64=base64.b64encode(data[:MAX_FILE_IN_MESSAGE]).decode(),
            truncated=len(data) > MAX_FILE_IN_MESSAGE,
        )

    async def bundle(self, digest: str) -> Bundle:
        """Where the skill's files lie; a bundle that was lost is made again from its commit."""
        content = await self._bundle(digest)
        name = digest.removeprefix("sha256:")
        return Bundle(digest=digest, bucket=BUNDLE_BUCKET, object_name=name, size=len(content))

    async def drain(self) -> None:
        await self._flights.drain()
        await self._reports.drain()
        await self._snapshots.drain()

    async def _bundle(self, digest: str) -> bytes:
        content = await self._bundles.get(digest)
        if content is not None:
            return content
        return await self._rebuilt(await self._by_digest(digest))

    async def _by_digest(self, digest: str) -> ResolvedSkill:
        skill = await self._known.by_digest(digest)
        if skill is None:
            msg = "No skill with this digest was resolved here."
            raise SkillNotFoundError(msg)
        return skill

    async def _rebuilt(self, skill: ResolvedSkill) -> bytes:
        """The same bytes again, by whichever way they came the first time."""
        ref = SkillRef(skill.owner, skill.repo, ref=skill.commit, path=skill.path)
        ways = self._local_ways(ref) if ref.is_local else self._files.ways(ref, skill.commit)
        async for tree in ways:
            _, made = await asyncio.to_thread(self._found, tree, ref)
            if made.digest == skill.digest:
                await self._bundles.put(made.digest, made.bundle)
                return made.bundle
        msg = "The files of this digest are not to be had any more."
        raise SkillNotFoundError(msg)

    async def _local_ways(self, ref: SkillRef) -> AsyncIterator[Tree]:
        yield await asyncio.to_thread(self._local_tree, ref)

    async def _remote(self, ref: SkillRef) -> ResolvedSkill:
        if not ref.tail:
            return await self._pinned(ref)
        try:
            return await self._pinned(shortest(ref))
        except RefNotFoundError:
            return await self._pinned(await longer(self._snapshots, ref))
        except SkillNotFoundError as exc:
            try:
                split = await longer(self._snapshots, ref)
            except SkillNotFoundError:
                raise exc from None
            return await self._pinned(split)

    async def _pinned(self, ref: SkillRef) -> ResolvedSkill:
        notes: list[str] = []
        try:
            pinned = await self._snapshots.pin(ref.repository, ref.ref)
        except RefNotFoundError:
            if not ref.ref_may_be_anchor:
                raise
            ref = replace(ref, ref="", ref_may_be_anchor=False)
            notes.append("The part after # is no branch: the default branch was taken.")
            pinned = await self._snapshots.pin(ref.repository, "")
        if pinned.is_old:
            notes.append("GitHub cannot be asked now: this is what it said earlier.")
        skill = await self._answered(ref, pinned.commit)
        return skill.model_copy(update={"warnings": [*notes, *skill.warnings]})

    async def _answered(self, ref: SkillRef, commit: str) -> ResolvedSkill:
        question = _question(ref, commit)
        known = await self._known.answer(question)
        if known is not None:
            return known
        return await self._flights.join(question, lambda: self._answer(question, ref, commit))

    async def _answer(self, question: str, ref: SkillRef, commit: str) -> ResolvedSkill:
        files = await self._files.of(ref, commit)
        return await self._stored(question, files, ref, commit)

    async def _local(self, ref: SkillRef) -> ResolvedSkill:
        """Known as long as no file below the open directory has changed."""
        question = _question(ref, await self._local_state(ref.repo))
        known = await self._known.answer(question)
        if known is not None:
            return known
        tree = await asyncio.to_thread(self._local_tree, ref)
        return await self._stored(question, Files(tree), ref, "")

    async def _local_state(self, label: str) -> str:
        state = await asyncio.to_thread(self._locals.state, label)
        if state is None:
            raise RepositoryNotFoundError(f"There is no open directory called {label!r}.")
        return state

    def _local_tree(self, ref: SkillRef) -> Tree:
        tree = self._locals.tree(ref.repo)
        if tree is None:
            raise RepositoryNotFoundError(f"There is no open directory called {ref.repo!r}.")
        return tree

    async def _stored(
        self, question: str, files: Files, ref: SkillRef, commit: str
    ) -> ResolvedSkill:
        """A directory of this machine has no commit: its content stands for one."""
        match, made = await asyncio.to_thread(self._found, files.tree, ref)
        made = replace(made, warnings=(*made.warnings, *files.notes))
        commit = commit or made.digest.removeprefix("sha256:")[:40]
        skill = presenting.resolved(ref, commit, match, made, self._clock())
        if not await self._bundles.has(made.digest):
            await self._bundles.put(made.digest, made.bundle)
        findings = await self._reports.of(made.digest, made.bundle)
        event = SKILL_RESOLVED.of(
            SkillResolved(
                owner=skill.owner,
                repo=skill.repo,
                commit=skill.commit,
                path=skill.path,
                digest=skill.digest,
                verdict=presenting.weighed(findings, made.digest, self._rules.policy()).verdict,
            ),
            entity_id=skill.digest,
            at=self._clock(),
        )
        await self._known.save(question, skill, event)
        return skill

    def _found(self, tree: Tree, ref: SkillRef) -> tuple[Match, Assembly]:
        match = Matcher(tree, ref).match()
        return match, assemble(tree, match, ref.repo, self._rules.limits)

    async def _list_local(self, label: str) -> RepositorySkills:
        ref = SkillRef("local", label.lower())
        state = await self._local_state(ref.repo)
        tree = await asyncio.to_thread(self._local_tree, ref)
        return await asyncio.to_thread(presenting.listing, tree, ref, state)

    async def _told(self, skill: ResolvedSkill, text: str) -> ResolvedSkill:
        """The skill for this asker: in their words, its report as today's policy weighs it."""
        findings = await self._reports.of(skill.digest)
        report = presenting.weighed(findings, skill.digest, self._rules.policy())
        return skill.model_copy(update={"ref": text, "report": report})


def _question(ref: SkillRef, commit: str) -> str:
    """A key for one question at one commit."""
    text = "\0".join(
        (ref.repository, commit, ref.path if ref.path is not None else "\0", ref.skill)
    )
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
