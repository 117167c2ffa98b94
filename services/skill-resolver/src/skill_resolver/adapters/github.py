"""GitHub, for the most part without its metered API: archives from codeload, branches and tags
over git's own protocol. Only a repository whose archive is too large is read by the API's list of
files, two requests, and its single files from the raw host.
"""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
from common.clock import Clock, utc_now

from skill_resolver.adapters import gitrefs
from skill_resolver.adapters.archive import ArchiveLimits, Unpacker
from skill_resolver.adapters.http import GitHubHosts, Requests
from skill_resolver.adapters.surveyed import SurveyedFiles, surveyed
from skill_resolver.errors import SkillTooLargeError, SkillUnreadableError
from skill_resolver.ports import Repositories, Snapshot

_FEED = 256 * 1024
_MAX_REFS = 4 * 1024 * 1024
_MAX_LIST = 24 * 1024 * 1024


class GitHub(Repositories):
    def __init__(
        self,
        client: httpx.AsyncClient,
        hosts: GitHubHosts,
        *,
        limits: ArchiveLimits,
        timeout: timedelta = timedelta(seconds=60),
        token: str = "",
        clock: Clock = utc_now,
    ) -> None:
        self._requests = Requests(client, hosts, timeout=timeout, token=token, clock=clock)
        self._hosts = hosts
        self._limits = limits

    async def download(self, repository: str, ref: str, etag: str = "") -> Snapshot | None:
        url = f"{self._hosts.codeload}/{repository}/tar.gz/{quote(ref or 'HEAD', safe='/@')}"
        headers = {"Accept-Encoding": "identity"} | ({"If-None-Match": etag} if etag else {})
        async with self._requests.answer("GET", url, headers) as response:
            if response.status_code == httpx.codes.NOT_MODIFIED:
                return None
            self._requests.check(response, repository)
            unpacker = Unpacker(self._limits)
            await _unpack(response, unpacker)
            tree, commit = unpacker.finish()
            return Snapshot(tree, commit, response.headers.get("etag", ""), unpacker.size)

    async def survey(self, repository: str, ref: str) -> Snapshot:
        api = f"{self._hosts.api}/repos/{repository}"
        accept = {"Accept": "application/vnd.github.sha"}
        where = f"{api}/commits/{quote(ref or 'HEAD', safe='')}"
        commit = (await self._body(where, accept, repository, most=200)).decode("ascii", "replace")
        listed = await self._body(
            f"{api}/git/trees/{commit}?recursive=1", {}, repository, most=_MAX_LIST
        )
        items = _items(listed)
        raw = f"{self._hosts.raw}/{repository}/{commit}"
        files = SurveyedFiles(
            lambda path: self._body(
                f"{raw}/{quote(path)}", {}, repository, most=self._limits.file_bytes
            ),
            asyncio.get_running_loop(),
        )
        return Snapshot(await surveyed(items, files), commit)

    async def refs(self, repository: str, prefix: str) -> Mapping[str, str]:
        url = f"{self._hosts.web}/{repository}.git/git-upload-pack"
        body = gitrefs.request(prefix)
        async with self._requests.answer("POST", url, gitrefs.HEADERS, body) as response:
            self._requests.check(response, repository)
            return gitrefs.parse(await _limited(response, _MAX_REFS))

    async def _body(
        self, url: str, headers: Mapping[str, str], repository: str, *, most: int
    ) -> bytes:
        async with self._requests.answer("GET", url, headers) as response:
            self._requests.check(response, repository)
            return await _limited(response, most)


async def _limited(response: httpx.Response, most: int) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > most:
            msg = "GitHub's answer is larger than what is read."
            raise SkillTooLargeError(msg)
    return bytes(content)


def _items(listed: bytes) -> list[dict[str, Any]]:
    try:
        document = json.loads(listed)
        items, truncated = document["tree"], document.get("truncated")
    except (ValueError, KeyError, TypeError) as exc:
        msg = "GitHub's list of files cannot be read."
        raise SkillUnreadableError(msg) from exc
    if truncated:
        msg = "The repository is too large to be read."
        raise SkillTooLargeError(msg)
    return [item for item in items if isinstance(item, dict)]


async def _unpack(response: httpx.Response, unpacker: Unpacker) -> None:
    """Unpack in a thread, some hundred kilobytes at a time, so that the loop stays free."""
    waiting = bytearray()
    async for chunk in response.aiter_raw():
        waiting += chunk
        if len(waiting) >= _FEED:
            await asyncio.to_thread(unpacker.feed, bytes(waiting))
            waiting.clear()
    if waiting:
        await asyncio.to_thread(unpacker.feed, bytes(waiting))
