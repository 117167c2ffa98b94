"""The GitHub adapter against a small GitHub: requests, redirects, limits, failures."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from aiohttp import web
from common.testing.fakes import START, StoppedClock
from skill_resolver.adapters.archive import ArchiveLimits
from skill_resolver.adapters.git import Git
from skill_resolver.adapters.github import GitHub
from skill_resolver.adapters.http import GitHubHosts, Requests, Times
from skill_resolver.errors import (
    ArchiveTooLargeError,
    RefNotFoundError,
    RepositoryNotFoundError,
    SkillUnreadableError,
    SourceRateLimitedError,
    SourceSlowError,
    SourceUnavailableError,
)
from skill_resolver.main import http_client
from skill_resolver.ports import Snapshot
from skill_resolver.settings import environment_of_git

COMMIT = "c0ffee" + "0" * 34
MakeArchive = Callable[..., bytes]
Adapter = Callable[..., GitHub]
Small = Any
"""The fixture `github`: a SmallGitHub."""


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with http_client() as client:
        yield client


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def adapter(
    github: Small, client: httpx.AsyncClient, clock: StoppedClock
) -> Callable[..., GitHub]:
    def make(token: str = "", seconds: float = 5, limits: ArchiveLimits | None = None) -> GitHub:
        hosts = GitHubHosts(
            codeload=f"{github.url}/codeload", web=f"{github.url}/web", api=f"{github.url}/api"
        )
        time = timedelta(seconds=seconds)
        times = Times(time, time)
        git = Git(environment_of_git(), timeout=time, file_bytes=10_000_000, token=token)
        requests = Requests(client, hosts, token=token, times=times, clock=clock)
        return GitHub(requests, hosts, git, limits=limits or ArchiveLimits(), archive_times=times)

    return make


class TestDownload:
    @pytest.fixture(autouse=True)
    def archive(self, github: Small, make_archive: MakeArchive) -> None:
        github.archives["acme/tools@HEAD"] = make_archive({"SKILL.md": "text"})
        github.archives["acme/tools@fix#1/x"] = make_archive({"SKILL.md": "branch"})

    async def test_one_request_brings_tree_and_commit(
        self, github: Small, adapter: Adapter
    ) -> None:
        snapshot = await adapter().download("acme/tools", "")

        assert isinstance(snapshot, Snapshot)
        assert (snapshot.commit, snapshot.tree.read("SKILL.md")) == (COMMIT, b"text")
        assert github.count == {"codeload": 1}
        assert "Authorization" not in github.headers[0]

    async def test_an_unchanged_archive_is_not_sent_again(
        self, github: Small, adapter: Adapter
    ) -> None:
        first = await adapter().download("acme/tools", "")
        assert first is not None

        assert await adapter().download("acme/tools", "", first.etag) is None

    async def test_a_branch_of_odd_characters(self, github: Small, adapter: Adapter) -> None:
        snapshot = await adapter().download("acme/tools", "fix#1/x")

        assert snapshot is not None
        assert snapshot.tree.read("SKILL.md") == b"branch"

    @pytest.mark.parametrize("follows", [True, False])
    async def test_a_renamed_repository_is_followed(
        self, github: Small, adapter: Adapter, *, follows: bool
    ) -> None:
        github.renamed["acme/old"] = "acme/tools"
        github.follows_renames = follows

        assert await adapter().download("acme/old", "") is not None
        assert github.count["advertised"] == (0 if follows else 2)

    async def test_a_missing_branch_is_told_from_a_missing_repository(
        self, github: Small, adapter: Adapter
    ) -> None:
        with pytest.raises(RefNotFoundError):
            await adapter().download("acme/tools", "nope")
        with pytest.raises(RepositoryNotFoundError):
            await adapter().download("acme/nope", "")

    async def test_an_empty_repository(self, github: Small, adapter: Adapter) -> None:
        github.refs["acme/empty"] = {}

        with pytest.raises(RepositoryNotFoundError, match="empty"):
            await adapter().download("acme/empty", "")

    async def test_a_branch_missing_in_a_renamed_repository(
        self, github: Small, adapter: Adapter
    ) -> None:
        github.renamed["acme/old"] = "acme/tools"
        github.follows_renames = False

        with pytest.raises(RefNotFoundError):
            await adapter().download("acme/old", "nope")

    @pytest.mark.parametrize(
        "target", ["http://127.0.0.1:1/x", "http://169.254.169.254/latest", "file:///etc/passwd"]
    )
    async def test_a_redirect_to_another_host_is_not_followed(
        self, github: Small, adapter: Adapter, target: str
    ) -> None:
        github.renamed["acme/old"] = target

        with pytest.raises(SourceUnavailableError):
            await adapter().download("acme/old", "")

    async def test_a_circle_of_redirects_ends(self, github: Small, adapter: Adapter) -> None:
        github.renamed |= {"acme/a": "acme/b", "acme/b": "acme/a"}

        with pytest.raises(SourceUnavailableError):
            await adapter().download("acme/a", "")

    @pytest.mark.parametrize("status", [404, 410, 451])
    async def test_what_is_not_there(self, github: Small, adapter: Adapter, status: int) -> None:
        github.answers.append(lambda _: web.Response(status=status))

        with pytest.raises(RepositoryNotFoundError):
            await adapter().download("acme/tools", "")

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
        adapter: Adapter,
        status: int,
        headers: dict[str, str],
        seconds: int,
    ) -> None:
        github.answers.append(lambda _: web.Response(status=status, headers=headers))

        with pytest.raises(SourceRateLimitedError) as refused:
            await adapter().download("acme/tools", "")

        assert refused.value.retry_at == START + timedelta(seconds=seconds)

    async def test_a_limit_told_in_words_only(self, github: Small, adapter: Adapter) -> None:
        text = "You have exceeded a secondary rate limit."
        github.answers.append(lambda _: web.Response(status=403, text=text))

        with pytest.raises(SourceRateLimitedError):
            await adapter().download("acme/tools", "")

    async def test_nobody_is_asked_before_the_time_is_over(
        self, github: Small, adapter: Adapter, clock: StoppedClock
    ) -> None:
        github.answers.append(lambda _: web.Response(status=429, headers={"retry-after": "30"}))
        hub = adapter()
        for _ in range(3):
            with pytest.raises(SourceRateLimitedError):
                await hub.download("acme/tools", "")
        assert github.count["codeload"] == 1
        clock.advance(timedelta(seconds=31))

        assert await hub.download("acme/tools", "") is not None

    async def test_one_failure_is_tried_again(self, github: Small, adapter: Adapter) -> None:
        github.answers.append(lambda _: web.Response(status=502))

        assert await adapter().download("acme/tools", "") is not None
        assert github.count["codeload"] == 2

    async def test_a_lasting_failure_is_told(self, github: Small, adapter: Adapter) -> None:
        github.answers += [lambda _: web.Response(status=502)] * 2

        with pytest.raises(SourceUnavailableError):
            await adapter().download("acme/tools", "")

    async def test_an_answer_that_breaks_off_is_asked_for_again(
        self, github: Small, adapter: Adapter, make_archive: MakeArchive
    ) -> None:
        whole = make_archive({"SKILL.md": "text"})

        def broken(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            length = len(whole) + 1000
            request.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + whole[:100]
            )
            request.transport.close()
            return web.Response()

        github.answers.append(broken)

        assert await adapter().download("acme/tools", "") is not None
        assert github.count["codeload"] == 2

    async def test_an_archive_too_large_says_its_commit(
        self, github: Small, adapter: Adapter, make_archive: MakeArchive
    ) -> None:
        noise = bytes(range(256)) * 4000
        github.archives["acme/big@HEAD"] = make_archive({f"{n}": noise for n in range(9)})
        limits = ArchiveLimits(unpacked_bytes=2_000_000)

        with pytest.raises(ArchiveTooLargeError) as refused:
            await adapter(limits=limits).download("acme/big", "")

        assert refused.value.commit == COMMIT

    async def test_an_archive_that_takes_too_long_says_its_commit(
        self, github: Small, adapter: Adapter, make_archive: MakeArchive
    ) -> None:
        noise = {f"{n}": bytes(range(256)) * 10 for n in range(900)}
        github.archives["acme/slow@HEAD"] = make_archive(noise)
        github.slow = True

        with pytest.raises(ArchiveTooLargeError) as refused:
            await adapter(seconds=0.5).download("acme/slow", "")

        assert refused.value.commit == COMMIT

    async def test_an_archive_that_does_not_begin_is_slow(
        self, github: Small, adapter: Adapter
    ) -> None:
        github.silent = True

        with pytest.raises(SourceSlowError):
            await adapter(seconds=0.3).download("acme/tools", "")

    async def test_nobody_listening_is_told(self, github: Small, adapter: Adapter) -> None:
        github.url = "http://127.0.0.1:1"

        with pytest.raises(SourceUnavailableError):
            await adapter().download("acme/tools", "")

    async def test_a_page_instead_of_an_archive(self, github: Small, adapter: Adapter) -> None:
        github.answers.append(lambda _: web.Response(text="<html>hello</html>"))

        with pytest.raises(SkillUnreadableError):
            await adapter().download("acme/tools", "")

    async def test_a_token_that_is_not_accepted_is_left_away(
        self, github: Small, adapter: Adapter
    ) -> None:
        github.answers.append(lambda _: web.Response(status=401))

        assert await adapter(token="expired").download("acme/tools", "") is not None
        assert [h.get("Authorization") for h in github.headers] == ["Bearer expired", None]


class TestCommit:
    async def test_a_branch_a_tag_and_the_default_branch_cost_one_request(
        self, github: Small, adapter: Adapter
    ) -> None:
        commit = github.repository("acme/tools", {"SKILL.md": b"text"})
        hub = adapter()

        for ref in ("", "main", "v1"):
            assert await hub.commit("acme/tools", ref) == commit
        assert github.count == {"refs": 3}

    async def test_a_full_commit_id_costs_none(self, github: Small, adapter: Adapter) -> None:
        assert await adapter().commit("acme/tools", "a" * 40) == "a" * 40
        assert not github.count

    async def test_what_a_short_one_means_is_asked_of_the_api_with_token_and_etag(
        self, github: Small, adapter: Adapter
    ) -> None:
        github.refs["acme/tools"] = {}
        github.short_commits["abcdef1"] = "abcdef1" + "0" * 33
        hub = adapter(token="t0ken")

        for _ in range(2):
            assert await hub.commit("acme/tools", "abcdef1") == "abcdef1" + "0" * 33

        asked = [h for h in github.headers if "vnd.github.sha" in h.get("Accept", "")]
        assert [h.get("If-None-Match") for h in asked] == [None, f'"abcdef1{"0" * 33}"']
        assert {h["Authorization"] for h in asked} == {"Bearer t0ken"}

    @pytest.mark.parametrize("ref", ["nope", "abcdef2"])
    async def test_what_there_is_not(self, github: Small, adapter: Adapter, ref: str) -> None:
        github.refs["acme/tools"] = {"main": "a" * 40}

        with pytest.raises(RefNotFoundError):
            await adapter().commit("acme/tools", ref)


class TestRefs:
    async def test_branches_by_prefix(self, github: Small, adapter: Adapter) -> None:
        github.refs["acme/tools"] = {"feature/x": "a" * 40}

        assert await adapter().refs("acme/tools", "feature") == {"feature/x": "a" * 40}
        assert github.headers[0]["Git-Protocol"] == "version=2"

    async def test_a_token_is_git_s_password(self, github: Small, adapter: Adapter) -> None:
        github.refs["acme/tools"] = {}

        await adapter(token="t0ken").refs("acme/tools", "x")

        assert github.headers[0]["Authorization"].startswith("Basic ")

    async def test_a_missing_repository(self, github: Small, adapter: Adapter) -> None:
        with pytest.raises(RepositoryNotFoundError):
            await adapter().refs("acme/nope", "x")
