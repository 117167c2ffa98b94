"""A repository known by its list of files: each file is fetched when it is read, several at once.

The tree is read in worker threads, the files come over the event loop: a thread asks the loop and
waits.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any

from skill_resolver.errors import SkillTooLargeError
from skill_resolver.model.paths import refusal
from skill_resolver.model.tree import Dropped, Entry, Tree, without_shadowed

_AT_ONCE = 12
_MAX_ENTRIES = 150_000
_MAX_LINKS = 300
_MAX_KEPT = 48 * 1024 * 1024
_WAIT_S = 60.0
_LINK, _EXECUTABLE = "120000", "100755"

Fetch = Callable[[str], Awaitable[bytes]]


class SurveyedFiles:
    """The contents of one repository's files, fetched once each and kept as far as they fit."""

    def __init__(self, fetch: Fetch, loop: asyncio.AbstractEventLoop) -> None:
        self._fetch = fetch
        self._loop = loop
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._kept: dict[str, bytes] = {}
        self._size = 0

    def read(self, path: str) -> bytes:
        """Called in a worker thread."""
        kept = self._kept.get(path)
        if kept is not None:
            return kept
        return asyncio.run_coroutine_threadsafe(self.get(path), self._loop).result(_WAIT_S)

    def prepare(self, paths: Collection[str]) -> None:
        """Called in a worker thread."""
        missing = sorted(path for path in paths if path not in self._kept)
        together = self.get_all(missing)
        asyncio.run_coroutine_threadsafe(together, self._loop).result(_WAIT_S)

    async def get_all(self, paths: Iterable[str]) -> list[bytes]:
        return await asyncio.gather(*(self.get(path) for path in paths))

    async def get(self, path: str) -> bytes:
        async with self._slots:
            content = await self._fetch(path)
        if self._size + len(content) <= _MAX_KEPT:
            self._kept[path] = content
            self._size += len(content)
        return content


async def surveyed(items: list[dict[str, Any]], files: SurveyedFiles) -> Tree:
    """The tree of GitHub's list; where a link leads is its content, so links are fetched now."""
    if len(items) > _MAX_ENTRIES:
        raise SkillTooLargeError(f"The repository has more than {_MAX_ENTRIES:,} files.")
    entries: dict[str, Entry] = {}
    dropped: list[Dropped] = []
    links: list[str] = []
    for item in items:
        path = str(item.get("path", ""))
        if item.get("type") != "blob":
            continue
        if reason := refusal(path):
            dropped.append(Dropped(path.encode("utf-8", "replace").decode()[:200], reason))
        elif item.get("mode") == _LINK:
            links.append(path)
        else:
            mode = 0o755 if item.get("mode") == _EXECUTABLE else 0o644
            entries[path] = Entry(int(item.get("size") or 0), mode)
    dropped += [Dropped(path, "one link too many") for path in links[_MAX_LINKS:]]
    targets = await files.get_all(links[:_MAX_LINKS])
    for path, target in zip(links, targets, strict=False):
        entries[path] = Entry(0, target=target.decode("utf-8", "surrogateescape"))
    present = without_shadowed(entries)
    return Tree(present, files.read, tuple(dropped), _only_present(present, files))


def _only_present(
    entries: dict[str, Entry], files: SurveyedFiles
) -> Callable[[Collection[str]], None]:
    def prepare(paths: Collection[str]) -> None:
        files.prepare([path for path in paths if path in entries])

    return prepare
