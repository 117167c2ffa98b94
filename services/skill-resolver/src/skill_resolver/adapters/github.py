"""GitHub, for the most part without its metered API: archives from codeload, branches and tags
over git's own protocol, and git itself where an archive will not do. The API is asked for one
thing only: what an abbreviated commit id means in a repository whose archive is too large.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

import httpx

from skill_resolver.adapters import gitrefs
from skill_resolver.adapters.archive import ArchiveLimits, Unpacker
from skill_resolver.adapters.git import Git
from skill_resolver.adapters.http import (
    BrokenAnswerError,
    GitHubHosts,
    Requests,
    Times,
)
from skill_resolver.adapters.sparse import SparseLimits, survey
from skill_resolver.errors import (
    ArchiveTooLargeError,
    RefNotFoundError,
    RepositoryNotFoundError,
    SkillTooLargeError,
    SourceSlowError,
)
from skill_resolver.model.reference.ref import COMMIT
from skill_resolver.ports import Repositories, Snapshot

_FEED = 256 * 1024
_MAX_REFS = 4 * 1024 * 1024
_ARCHIVES_AT_ONCE = 8
_MAX_ASKED = 500
_SHORT_COMMIT = re.compile(r"[0-9a-f]{7,39}")


class GitHub(Repositories):
    def __init__(
        self,
        requests: Requests,
        hosts: GitHubHosts,
        git: Git,
        *,
        limits: ArchiveLimits,
        archive_times: Times,
    ) -> None:
        self._requests = requests
        self._hosts = hosts
        self._git = git
        self._limits = limits
        self._times = archive_times
        self._slots = asyncio.Semaphore(_ARCHIVES_AT_ONCE)
        self._asked: OrderedDict[str, tuple[str, str]] = OrderedDict()

    async def download(
        self, repository: str, ref: str, etag: str = "", *, is_patient: bool = False
    ) -> Snapshot | None:
        times = replace(self._times, beginning=self._times.whole) if is_patient else self._times
        try:
            return await self._archive(repository, ref, etag, times)
        except BrokenAnswerError:
            return await self._archive(repository, ref, etag, times)
        except RepositoryNotFoundError:
            name = await self._name_of(repository)
        if name == repository:
            raise _no_such_ref(repository, ref)
        try:
            return await self._archive(name, ref, etag, times)
        except RepositoryNotFoundError as exc:
            raise _no_such_ref(name, ref) from exc

    async def survey(self, repository: str, commit: str) -> Snapshot:
        url = f"{self._hosts.web}/{repository}.git"
        limits = SparseLimits(file_bytes=self._limits.file_bytes)
        return await asyncio.to_thread(survey, self._git, url, commit, limits)

    async def commit(self, repository: str, ref: str) -> str:
        if COMMIT.fullmatch(ref):
            return ref
        wanted = [f"refs/heads/{ref}", f"refs/tags/{ref}"] if ref else ["HEAD"]
        found = await self._refs(repository, wanted)
        if (name := ref or "HEAD") in found:
            return found[name]
        if not _SHORT_COMMIT.fullmatch(ref):
            raise _no_such_ref(repository, ref)
        try:
            return await self._full_id(repository, ref)
        except RepositoryNotFoundError as exc:
            raise _no_such_ref(repository, ref) from exc

    async def refs(self, repository: str, prefix: str) -> Mapping[str, str]:
        return await self._refs(repository, [f"refs/heads/{prefix}", f"refs/tags/{prefix}"])

    def close(self) -> None:
        self._git.stop()

    async def _archive(
        self, repository: str, ref: str, etag: str, times: Times
    ) -> Snapshot | None:
        url = f"{self._hosts.codeload}/{repository}/tar.gz/{quote(ref or 'HEAD', safe='/@')}"
        headers = {"Accept-Encoding": "identity"} | ({"If-None-Match": etag} if etag else {})
        unpacker = Unpacker(self._limits)
        try:
            async with (
                self._slots,
                self._requests.answer("GET", url, headers, times=times) as response,
            ):
                if response.status_code == httpx.codes.NOT_MODIFIED:
                    return None
                await self._requests.check(response, repository)
                await _unpack(response, unpacker)
                tree, commit = unpacker.finish()
                return Snapshot(tree, commit, response.headers.get("etag", ""), unpacker.size)
        except (SkillTooLargeError, SourceSlowError) as exc:
            if unpacker.commit:
                raise ArchiveTooLargeError(exc.detail, unpacker.commit) from exc
            raise

    async def _name_of(self, repository: str) -> str:
        """What the repository is called now: git's address of one that was renamed leads on."""
        url = f"{self._hosts.web}/{repository}.git/info/refs?service=git-upload-pack"
        async with self._requests.answer("GET", url, gitrefs.ADVERTISED) as response:
            await self._requests.check(response, repository)
            path = str(response.url).removeprefix(f"{self._hosts.web}/")
            name = path.partition("/info/refs")[0].removesuffix(".git")
            return name.lower()

    async def _refs(self, repository: str, prefixes: list[str]) -> Mapping[str, str]:
        url = f"{self._hosts.web}/{repository}.git/git-upload-pack"
        body = gitrefs.request(prefixes)
        async with self._requests.answer("POST", url, gitrefs.HEADERS, body) as response:
            await self._requests.check(response, repository)
            return gitrefs.parse(await _limited(response, _MAX_REFS))

    async def _full_id(self, repository: str, short: str) -> str:
        """One request to the API; the same again costs an authorised caller nothing."""
        url = f"{self._hosts.api}/repos/{repository}/commits/{short}"
        etag, known = self._asked.get(url, ("", ""))
        headers = {"Accept": "application/vnd.github.sha"}
        headers |= {"If-None-Match": etag} if etag else {}
        async with self._requests.answer("GET", url, headers) as response:
            if response.status_code == httpx.codes.NOT_MODIFIED:
                return known
            await self._requests.check(response, repository)
            commit = (await _limited(response, 200)).decode("ascii", "replace")
            if not COMMIT.fullmatch(commit):
                raise _no_such_ref(repository, short)
            self._asked[url] = response.headers.get("etag", ""), commit
            if len(self._asked) > _MAX_ASKED:
                self._asked.popitem(last=False)
            return commit


def _no_such_ref(repository: str, ref: str) -> RepositoryNotFoundError | RefNotFoundError:
    if not ref:
        return RepositoryNotFoundError(f"The repository {repository} is empty.")
    return RefNotFoundError(f"{repository} has no branch, tag or commit {ref[:200]!r}.")


async def _limited(response: httpx.Response, most: int) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > most:
            msg = "GitHub's answer is larger than what is read."
            raise SkillTooLargeError(msg)
    return bytes(content)


async def _unpack(response: httpx.Response, unpacker: Unpacker) -> None:
    """Unpack in a thread, so that the loop stays free: the beginning, which names the commit, at
    once, then some hundred kilobytes at a time.
    """
    waiting = bytearray()
    enough = 1
    async for chunk in response.aiter_raw():
        waiting += chunk
        if len(waiting) >= enough:
            await asyncio.to_thread(unpacker.feed, bytes(waiting))
            waiting.clear()
            enough = _FEED
    if waiting:
        await asyncio.to_thread(unpacker.feed, bytes(waiting))
