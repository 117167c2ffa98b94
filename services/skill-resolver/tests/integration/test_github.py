"""The GitHub adapter against a small GitHub: requests, redirects, limits, failures."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Protocol

import httpx
import pytest
from aiohttp import web
from common.testing.fakes import START, StoppedClock
from skill_resolver.adapters.archive import ArchiveLimits
from skill_resolver.adapters.github import GitHub
from skill_resolver.adapters.http import GitHubHosts
from skill_resolver.errors import (
    RepositoryNotFoundError,
    SkillTooLargeError,
    SkillUnreadableError,
    SourceRateLimitedError,
    SourceUnavailableError,
)
from skill_resolver.main import http_client
from skill_resolver.ports import Snapshot

COMMIT = "c0ffee" + "0" * 34
MakeArchive = Callable[..., bytes]


class Small(Protocol):
    """What the tests use of the fixture `github`."""

    url: str
    archives: dict[str, bytes]
    renamed: dict[str, str]
    files: dict[str, dict[str, bytes]]
    is_truncated: bool
    refs: dict[str, dict[str, str]]
    answers: list[Callable[[web.Request], web.StreamResponse]]
    count: dict[str, int]
    headers: list[dict[str, str]]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with http_client() as client:
        yield client


def adapter(
    small: Small, client: httpx.AsyncClient, token: str = "", seconds: float = 5
) -> GitHub:
    return GitHub(
        client,
        GitHubHosts(
            codeload=f"{small.url}/codeload",
            web=f"{small.url}/web",
            api=f"{small.url}/api",
            raw=f"{small.url}/raw",
        ),
        limits=ArchiveLimits(),
        timeout=timedelta(seconds=seconds),
        token=token,
        clock=StoppedClock(),
    )


class TestDownload:
    @pytest.fixture(autouse=True)
    def archive(self, github: Small, make_archive: MakeArchive) -> None:
        github.archives["acme/tools@HEAD"] = make_archive({"SKILL.md": "text"})
        github.archives["acme/tools@fix#1/x"] = make_archive({"SKILL.md": "branch"})

    async def test_one_request_brings_tree_and_commit(
        self, github: Small, client: httpx.AsyncClient
    ) -> None:
        snapshot = await adapter(github, client).download("acme/tools", "")

        assert isinstance(snapshot, Snapshot)
        assert (snapshot.commit, snapshot.tree.read("SKILL.md")) == (COMMIT, b"text")
        assert github.count == {"codeload": 1}
        assert "Authorization" not in github.headers[0]

    async def test_an_unchanged_archive_is_not_sent_again(
        self, github: Small, client: httpx.AsyncClient
    ) -> None:
        first = await adapter(github, client).download("acme/tools", "")
        assert first is not None

        assert await adapter(github, client).download("acme/tools", "", first.etag) is None

    async def test_a_branch_of_odd_characters(
        self, github: Small, client: httpx.AsyncClient
    ) -> None:
        snapshot = await adapter(github, client).download("acme/tools", "fix#1/x")

        assert snapshot is not None
        assert snapshot.tree.read("SKILL.md") == b"branch"

    async def test_a_renamed_repository_is_followed(
        self, github: Small, client: httpx.AsyncClient
    ) -> None:
        github.renamed["acme/old"] = "acme/tools"

        assert await adapter(github, client).download("acme/old", "") is not None

    @pytest.mark.parametrize(
        "target", ["http://127.0.0.1:1/x", "http://169.254.169.254/latest", "file:///etc/passwd"]
    )
    async def test_a_redirect_to_another_host_is_not_followed(
        self, github: Small, client: httpx.AsyncClient, target: str
    ) -> None:
        github.renamed["acme/old"] = target

        with pytest.raises(SourceUnavailableError):
            await adapter(github, client).download("acme/old", "")

    async def test_a_circle_of_redirects_ends(
        self, github: Small, client: httpx.AsyncClient
    ) -> None:
        github.renamed |= {"acme/a": "acme/b", "acme/b": "acme/a"}

        with pytest.raises(SourceUnavailableError):
            await adapter(github, client).download("acme/a", "")

    @pytest.mark.parametrize("status", [404, 410, 451])
    async def test_what_is_not_there(
        self, github: Small, client: httpx.AsyncClient, status: int
    ) -> None:
        github.answers.append(lambda _: web.Response(status=status))

        with pytest.raises(RepositoryNotFoundError):
            await adapter(github, client).download("acme/tools", "")

    @pytest.mark.parametrize(
        ("status", "headers", "seconds"),
        [
            (429, {"retry-after": "30"}, 30),
            (403, {"retry-after": "30"}, 30),
            (429, {}, 60),
            (
                403,
                {
                    "x-ratelimit-remaining": "0",
                    "x-ratelimit-reset": str(int(START.timestamp()) + 90),
                },
                90,
            ),
        ],
    )
    async def test_a_limit_says_when_to_come_back(
        self,
        github: Small,
        client: httpx.AsyncClient,
        status: int,
        headers: dict[str, str],
        seconds: int,
    ) -> None:
        github.answers.append(lambda _: web.Response(status=status, headers=headers))

        with pytest.raises(SourceRateLimitedError) as refused:
            await adapter(github, client).download("acme/tools", "")

        assert refused.value.retry_at == START + timedelta(seconds=seconds)

    async def test_one_failure_is_tried_again(
        self, github: Small, client: httpx.AsyncClient
    ) -> None:
        github.answers.append(lambda _: web.Response(status=502))

        assert await adapter(github, client).download("acme/tools", "") is not None
        assert github.count["codeload"] == 2

    async def test_a_lasting_failure_is_told(
        self, github: Small, client: httpx.AsyncClient
    ) -> None:
        github.answers += [lambda _: web.Response(status=502)] * 2

        with pytest.raises(SourceUnavailableError):
            await adapter(github, client).download("acme/tools", "")

    async def test_nobody_listening_is_told(
        self, github: Small, client: httpx.AsyncClient
    ) -> None:
        github.url = "http://127.0.0.1:1"

        with pytest.raises(SourceUnavailableError):
            await adapter(github, client).download("acme/tools", "")

    async def test_a_page_instead_of_an_archive(
        self, github: Small, client: httpx.AsyncClient
    ) -> None:
        github.answers.append(lambda _: web.Response(text="<html>hello</html>"))

        with pytest.raises(SkillUnreadableError):
            await adapter(github, client).download("acme/tools", "")

    async def test_a_token_that_is_not_accepted_is_left_away(
        self, github: Small, client: httpx.AsyncClient
    ) -> None:
        github.answers.append(lambda _: web.Response(status=401))

        assert (
            await adapter(github, client, token="expired").download("acme/tools", "") is not None
        )
        assert [h.get("Authorization") for h in github.headers] == ["Bearer expired", None]


class TestRefs:
    async def test_branches_by_prefix(self, github: Small, client: httpx.AsyncClient) -> None:
        github.refs["acme/tools"] = {"feature/x": "a" * 40}

        assert await adapter(github, client).refs("acme/tools", "feature") == {
            "feature/x": "a" * 40
        }
        assert github.headers[0]["Git-Protocol"] == "version=2"

    async def test_a_missing_repository(self, github: Small, client: httpx.AsyncClient) -> None:
        with pytest.raises(RepositoryNotFoundError):
            await adapter(github, client).refs("acme/nope", "x")


BIG = {
    "skills/pdf/SKILL.md": b"text",
    "skills/pdf/run.sh*": b"echo",
    "skills/pdf/odd #%?.md": b"odd",
    "skills/pdf/guide.md@": b"../../guide.md",
    "guide.md": b"guide",
}


class TestSurvey:
    async def test_files_are_listed_by_two_requests_and_fetched_when_read(
        self, github: Small, client: httpx.AsyncClient
    ) -> None:
        github.files["acme/big"] = BIG

        snapshot = await adapter(github, client).survey("acme/big", "")

        tree = snapshot.tree
        assert github.count == {"api": 2, "raw": 1}
        assert tree.entries["skills/pdf/run.sh"].mode == 0o755
        assert tree.resolve("skills/pdf/guide.md") == "guide.md"
        assert await asyncio.to_thread(tree.read, "skills/pdf/odd #%?.md") == b"odd"
        await asyncio.to_thread(tree.prepare, ["guide.md", "nowhere"])
        assert await asyncio.to_thread(tree.read, "guide.md") == b"guide"
        assert github.count["raw"] == 3

    async def test_a_list_cut_short_is_refused(
        self, github: Small, client: httpx.AsyncClient
    ) -> None:
        github.files["acme/big"] = BIG
        github.is_truncated = True

        with pytest.raises(SkillTooLargeError):
            await adapter(github, client).survey("acme/big", "")

    async def test_a_missing_repository(self, github: Small, client: httpx.AsyncClient) -> None:
        with pytest.raises(RepositoryNotFoundError):
            await adapter(github, client).survey("acme/nope", "")
