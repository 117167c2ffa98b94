"""Repositories of other git servers that the operator opened."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from common.testing.fakes import StoppedClock
from skill_resolver.adapters.git import Git
from skill_resolver.adapters.gitroots import GitRoots, OpenPlaces
from skill_resolver.adapters.sparse import SparseLimits
from skill_resolver.errors import RepositoryNotFoundError, SourceUnavailableError
from skill_resolver.settings import environment_of_git

Small = Any
"""The fixture `github`: a SmallGitHub, any git server here."""


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def opened(github: Small, clock: StoppedClock) -> Callable[..., GitRoots]:
    def run(*roots: str) -> GitRoots:
        git = Git(environment_of_git(), timeout=timedelta(seconds=10), file_bytes=5_000_000)
        asked = roots or (f"corp={github.url}/web/acme/tools.git",)
        return GitRoots(asked, git, SparseLimits(), clock)

    return run


class TestGitRoots:
    async def test_its_files_are_read(
        self, github: Small, opened: Callable[..., GitRoots]
    ) -> None:
        commit = github.repository("acme/tools", {"pdf/SKILL.md": b"text"})
        roots = opened()

        def read() -> bytes:
            tree = roots.tree("corp")
            assert tree is not None
            return tree.read("pdf/SKILL.md")

        assert await asyncio.to_thread(read) == b"text"
        assert await asyncio.to_thread(roots.state, "corp") == commit
        assert roots.state("other") is None
        assert roots.tree("other") is None

    async def test_it_is_looked_at_again_after_a_minute(
        self, github: Small, opened: Callable[..., GitRoots], clock: StoppedClock
    ) -> None:
        first = github.repository("acme/tools", {"pdf/SKILL.md": b"one"})
        roots = opened()
        await asyncio.to_thread(roots.tree, "corp")
        second = github.repository("acme/tools", {"pdf/SKILL.md": b"two"})
        assert await asyncio.to_thread(roots.state, "corp") == first

        clock.advance(timedelta(seconds=61))
        tree = await asyncio.to_thread(roots.tree, "corp")

        assert await asyncio.to_thread(roots.state, "corp") == second
        assert await asyncio.to_thread(lambda: tree and tree.read("pdf/SKILL.md")) == b"two"

    async def test_what_was_seen_stands_while_the_server_does_not_answer(
        self, github: Small, opened: Callable[..., GitRoots], clock: StoppedClock
    ) -> None:
        commit = github.repository("acme/tools", {"pdf/SKILL.md": b"one"})
        roots = opened()
        await asyncio.to_thread(roots.state, "corp")
        github.is_down = True
        clock.advance(timedelta(seconds=61))

        assert await asyncio.to_thread(roots.state, "corp") == commit
        with pytest.raises(SourceUnavailableError):
            await asyncio.to_thread(opened().state, "corp")

    async def test_what_is_not_there(self, opened: Callable[..., GitRoots]) -> None:
        with pytest.raises(RepositoryNotFoundError):
            await asyncio.to_thread(opened().state, "corp")

    @pytest.mark.parametrize(
        ("root", "label"),
        [
            ("mine=https://git.acme.example/a/skills.git", "mine"),
            ("https://git.acme.example/a/Our_Skills.git", "our_skills"),
        ],
    )
    async def test_its_address_is_a_reference(
        self, opened: Callable[..., GitRoots], root: str, label: str
    ) -> None:
        places = OpenPlaces(opened(root))
        address = root.rpartition("=")[2]

        for text in (address, f" {address}/ ", address.removesuffix(".git")):
            ref = places.locate(text)
            assert ref is not None
            assert (ref.owner, ref.repo) == ("local", label)
        assert places.locate("https://git.acme.example/a/other.git") is None
        assert places.locate(f"{address}x") is None
