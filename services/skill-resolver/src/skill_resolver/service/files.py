"""Which files of a repository a skill is made of: its archive's, or the committed ones where the
repository's attributes make the archive another thing.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from common.errors import AppError

from skill_resolver.errors import (
    RepositoryNotFoundError,
    SkillAmbiguousError,
    SkillNotFoundError,
    SourceUnavailableError,
)
from skill_resolver.model import attributes
from skill_resolver.model.discovery import discover
from skill_resolver.model.matching import Matcher
from skill_resolver.model.reference import SkillRef
from skill_resolver.model.tree import Tree
from skill_resolver.ports import Snapshot
from skill_resolver.service.snapshots import Snapshots

logger = logging.getLogger(__name__)

Read = Callable[[Tree, SkillRef], None]
"""Fetches what will be read of a tree."""

_NOTE = (
    "The repository's attributes may have left out or rewritten files of this skill, and the"
    " committed ones could not be fetched."
)


@dataclass(frozen=True)
class Files:
    """A tree to look for the skill in, and what is to be said of it."""

    tree: Tree
    notes: tuple[str, ...] = ()


class ExactFiles:
    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots

    async def of(self, ref: SkillRef, commit: str) -> Files:
        """For one skill: exact where an attribute concerns it, or hides it."""
        snapshot = await self._readable(ref, commit, _skill)
        is_altered = await asyncio.to_thread(_alters, snapshot, ref)
        return await self._exact(snapshot, ref, _skill) if is_altered else Files(snapshot.tree)

    async def for_list(self, ref: SkillRef, commit: str) -> Files:
        """For all skills: exact where an attribute may hide one."""
        snapshot = await self._readable(ref, commit, _list)
        is_altered = await asyncio.to_thread(_hides, snapshot)
        return await self._exact(snapshot, ref, _list) if is_altered else Files(snapshot.tree)

    async def ways(self, ref: SkillRef, commit: str) -> AsyncIterator[Tree]:
        """Every form in which the files can be had."""
        snapshot = await self._snapshots.at(ref.repository, commit)
        yield snapshot.tree
        if not snapshot.is_exact:
            yield (await self._snapshots.exactly_at(ref.repository, commit)).tree

    async def _readable(self, ref: SkillRef, commit: str, read: Read) -> Snapshot:
        """By git where the archive did not come; by the archive where git does not give all."""
        try:
            snapshot = await self._snapshots.at(ref.repository, commit)
            if snapshot.is_exact:
                await asyncio.to_thread(_attempt, read, snapshot.tree, ref)
        except (SourceUnavailableError, RepositoryNotFoundError) as exc:
            try:
                return await self._snapshots.archive_at(ref.repository, commit)
            except AppError:
                raise exc from None
        return snapshot

    async def _exact(self, snapshot: Snapshot, ref: SkillRef, read: Read) -> Files:
        """The committed files, if all that will be read can be had."""
        try:
            exact = await self._snapshots.exactly_at(ref.repository, snapshot.commit)
            await asyncio.to_thread(_attempt, read, exact.tree, ref)
        except AppError as exc:
            logger.warning("exact files of %s not fetched: %s", ref.repository, exc.detail)
            return Files(snapshot.tree, (_NOTE,))
        return Files(exact.tree)


def _attempt(read: Read, tree: Tree, ref: SkillRef) -> None:
    """What is not found or not certain is no failure to read: whoever looks for it tells."""
    with contextlib.suppress(SkillNotFoundError, SkillAmbiguousError):
        read(tree, ref)


def _skill(tree: Tree, ref: SkillRef) -> None:
    tree.prepare(list(tree.below(Matcher(tree, ref).match().directory)))


def _list(tree: Tree, ref: SkillRef) -> None:
    discover(tree, ref.repo)


def _alters(snapshot: Snapshot, ref: SkillRef) -> bool:
    rules = [] if snapshot.is_exact else attributes.read(snapshot.tree)
    if not rules:
        return False
    try:
        match = Matcher(snapshot.tree, ref).match()
    except (SkillNotFoundError, SkillAmbiguousError):
        return any(rule.leaves_out for rule in rules)
    return any(rule.concerns(snapshot.tree, match.directory) for rule in rules)


def _hides(snapshot: Snapshot) -> bool:
    if snapshot.is_exact:
        return False
    return any(rule.leaves_out for rule in attributes.read(snapshot.tree))
