"""Repositories by git itself: exact files, two requests, and nothing on a disk by its own name."""

import asyncio
import random
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from skill_resolver.adapters.git import Git
from skill_resolver.adapters.sparse import SparseLimits, survey
from skill_resolver.errors import (
    RepositoryNotFoundError,
    SkillTooLargeError,
    SourceUnavailableError,
)
from skill_resolver.ports import Snapshot
from skill_resolver.settings import environment_of_git

Small = Any
"""The fixture `github`: a SmallGitHub."""
Look = Callable[..., Snapshot]

FILES: dict[str, bytes | tuple[str, str]] = {
    ".gitattributes": b"skills/pdf/tests export-ignore\n*.bat text eol=crlf\n",
    "skills/pdf/SKILL.md": b"text",
    "skills/pdf/run.sh": ("exec", "#!/bin/sh\n"),
    "skills/pdf/run.bat": b"echo\n",
    "skills/pdf/tests/t.py": b"assert True\n",
    "skills/pdf/odd #%?\xe4.bin": bytes(range(256)),
    "skills/pdf/empty": b"",
    "skills/pdf/guide.md": ("link", "../../guide.md"),
    "skills/pdf/out": ("link", "/etc/passwd"),
    "guide.md": b"guide",
}


@pytest.fixture
def git() -> Git:
    return Git(environment_of_git(), timeout=timedelta(seconds=20), file_bytes=5_000_000)


@pytest.fixture
def look(github: Small, git: Git) -> Look:
    """Survey `acme/tools` at a commit."""

    def run(commit: str, limits: SparseLimits | None = None) -> Snapshot:
        return survey(git, f"{github.url}/web/acme/tools.git", commit, limits or SparseLimits())

    return run


async def in_thread(call: Callable[[], Any]) -> Any:
    """The small GitHub answers on the loop of the test: what asks it must be elsewhere."""
    return await asyncio.to_thread(call)


class TestSurvey:
    async def test_files_are_those_that_were_committed(self, github: Small, look: Look) -> None:
        commit = github.repository("acme/tools", FILES)

        def everything() -> Snapshot:
            snapshot = look(commit)
            snapshot.tree.prepare(list(snapshot.tree.entries))
            for path, value in FILES.items():
                if isinstance(value, bytes):
                    assert snapshot.tree.read(path) == value, path
            return snapshot

        snapshot = await in_thread(everything)

        tree = snapshot.tree
        assert (snapshot.commit, snapshot.is_exact) == (commit, True)
        assert set(tree.entries) == set(FILES)
        assert tree.entries["skills/pdf/run.sh"].mode == 0o755
        assert tree.resolve("skills/pdf/guide.md") == "guide.md"
        assert tree.resolve("skills/pdf/out") is None

    async def test_the_list_costs_two_requests_and_all_contents_two_more(
        self, github: Small, look: Look
    ) -> None:
        files = {path: value for path, value in FILES.items() if isinstance(value, bytes)}
        commit = github.repository("acme/tools", files)

        snapshot = await in_thread(lambda: look(commit))
        assert github.count == {"advertised": 1, "refs": 1}
        await in_thread(lambda: snapshot.tree.prepare(list(files)))
        await in_thread(lambda: [snapshot.tree.read(path) for path in files])

        assert github.count == {"advertised": 2, "refs": 2}

    async def test_a_single_file_is_fetched_when_it_is_read(
        self, github: Small, look: Look
    ) -> None:
        commit = github.repository("acme/tools", {"a": b"one", "b": b"two"})

        snapshot = await in_thread(lambda: look(commit))

        assert await in_thread(lambda: snapshot.tree.read("b")) == b"two"
        assert github.count["refs"] == 2

    async def test_a_renamed_repository_is_followed(self, github: Small, look: Look) -> None:
        commit = github.repository("acme/new", {"SKILL.md": b"text"})
        github.renamed["acme/tools"] = "acme/new"

        snapshot = await in_thread(lambda: look(commit))

        assert await in_thread(lambda: snapshot.tree.read("SKILL.md")) == b"text"

    async def test_nothing_is_left_when_the_tree_is_gone(
        self, github: Small, look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        commit = github.repository("acme/tools", FILES)

        def use() -> list[Path]:
            snapshot = look(commit)
            snapshot.tree.prepare(list(FILES))
            return [path for path in tmp_path.rglob("*") if path.suffix in {".md", ".sh", ".bat"}]

        assert await in_thread(use) == []
        assert not list(tmp_path.glob("skill-resolver-*"))


class TestLimits:
    async def test_a_file_past_the_limit_is_known_and_not_read(
        self, github: Small, look: Look
    ) -> None:
        commit = github.repository("acme/tools", {"big": bytes(2_000_000), "SKILL.md": b"x"})
        snapshot = await in_thread(lambda: look(commit, SparseLimits(file_bytes=1_000_000)))

        assert await in_thread(lambda: snapshot.tree.read("SKILL.md")) == b"x"
        with pytest.raises(SkillTooLargeError):
            await in_thread(lambda: snapshot.tree.read("big"))

    async def test_all_files_together_are_limited(self, github: Small, look: Look) -> None:
        files = {f"{n}": bytes([n]) * 400 for n in range(9)}
        commit = github.repository("acme/tools", files)
        snapshot = await in_thread(lambda: look(commit, SparseLimits(kept_bytes=2000)))

        with pytest.raises(SkillTooLargeError):
            await in_thread(lambda: snapshot.tree.prepare(list(files)))

    async def test_a_tree_that_holds_itself_many_times_is_stopped(
        self, github: Small, look: Look
    ) -> None:
        github.repository("acme/tools", {"SKILL.md": b"x"})
        bare = github.root / "acme/tools.git"
        tree = github.git(bare, "rev-parse", "main^{tree}")
        for _ in range(9):
            rows = "".join(f"040000 tree {tree}\td{n}\n" for n in range(10))
            tree = github.git(bare, "mktree", given=rows.encode())
        commit = github.git(bare, "commit-tree", tree, "-m", "a billion files")
        github.git(bare, "update-ref", "refs/heads/main", commit)

        with pytest.raises(SkillTooLargeError):
            await in_thread(lambda: look(commit))

    async def test_noise_that_packs_to_too_much_is_stopped(self, github: Small, git: Git) -> None:
        noise = random.Random(1).randbytes(3_000_000)
        commit = github.repository("acme/tools", {"noise": noise, "SKILL.md": b"x"})
        small = Git(environment_of_git(), timeout=timedelta(seconds=20), file_bytes=1_000_000)
        url = f"{github.url}/web/acme/tools.git"
        snapshot = await in_thread(lambda: survey(small, url, commit, SparseLimits()))

        with pytest.raises(SkillTooLargeError):
            await in_thread(lambda: snapshot.tree.read("noise"))


class TestRefused:
    async def test_what_there_is_not(self, github: Small, look: Look) -> None:
        github.repository("acme/tools", {"SKILL.md": b"x"})

        with pytest.raises(RepositoryNotFoundError):
            await in_thread(lambda: look("0" * 39 + "1"))

    async def test_a_repository_that_is_not_there(self, github: Small, look: Look) -> None:
        with pytest.raises(RepositoryNotFoundError):
            await in_thread(lambda: look("0" * 39 + "1"))

    async def test_what_hangs_is_ended(self, github: Small) -> None:
        impatient = Git(environment_of_git(), timeout=timedelta(seconds=0.3), file_bytes=1000)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/a/b.git"
            with pytest.raises(SourceUnavailableError):
                await in_thread(lambda: survey(impatient, url, "a" * 40, SparseLimits()))

    @pytest.mark.parametrize(
        "address", ["file://{root}/acme/tools.git", "ext::true", "ssh://[::1]/x"]
    )
    async def test_only_web_addresses_are_fetched_from(
        self, github: Small, git: Git, address: str
    ) -> None:
        commit = github.repository("acme/tools", {"SKILL.md": b"x"})
        url = address.format(root=github.root)

        with pytest.raises(SourceUnavailableError):
            await in_thread(lambda: survey(git, url, commit, SparseLimits()))

    async def test_without_git_it_is_said(self, github: Small) -> None:
        nowhere = Git({"PATH": "/nonexistent"}, timeout=timedelta(seconds=5), file_bytes=1000)

        url = f"{github.url}/web/a/b.git"

        with pytest.raises(SourceUnavailableError, match="git"):
            await in_thread(lambda: survey(nowhere, url, "a" * 40, SparseLimits()))
