"""git's own commands on a bare repository of one commit: what is fetched, listed and read.

Nothing is ever checked out: no path of a repository touches a disk, no hook, filter or LFS program
runs, and no object is fetched that was not asked for.
"""

import base64
import logging
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

from common.clock import Clock, utc_now

from skill_resolver.adapters.processes import Finished, GitProcesses, TooMuchError
from skill_resolver.errors import (
    RepositoryNotFoundError,
    SkillTooLargeError,
    SourceRateLimitedError,
    SourceUnavailableError,
)

logger = logging.getLogger(__name__)

_MAX_LIST = 48 * 1024 * 1024
_RETRY = timedelta(seconds=60)
_GONE = re.compile(
    r"not our ref|unadvertised object|returned error: (?:401|403|404|410|451)|not found"
    r"|could not read Username|Authentication failed",
    re.IGNORECASE,
)
_LIMITED = re.compile(r"returned error: 429")
_TOO_LARGE = re.compile(r"File too large|died of signal 25")
_READING = {
    "core.bigFileThreshold": "1m",
    "core.hooksPath": "/dev/null",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.allow": "never",
}
_FETCHING = _READING | {
    "credential.helper": "",
    "fetch.negotiationAlgorithm": "noop",
    "http.followRedirects": "initial",
    # A git whose service was killed ends by itself.
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "20",
    "protocol.http.allow": "always",
    "protocol.https.allow": "always",
    "protocol.version": "2",
    # Only fetches know of the remote: reading must not fetch what is missing, one by one.
    "remote.origin.promisor": "true",
    "remote.origin.partialclonefilter": "blob:none",
}
_FETCH = (
    *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"),
    *("--no-recurse-submodules", "--filter=blob:none"),
)


@dataclass(frozen=True)
class Listed:
    """One entry of a tree; links have mode 120000, submodules 160000."""

    path: str
    mode: str
    id: str


class Git:
    """`environment` is what git needs of this process's: where programs and proxies are."""

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        timeout: timedelta,
        file_bytes: int,
        token: str = "",
        clock: Clock = utc_now,
    ) -> None:
        def processes(config: Mapping[str, str]) -> GitProcesses:
            variables = {**environment, **_IN_PEACE, **_as_environment(config)}
            return GitProcesses(variables, timeout=timeout, file_bytes=file_bytes)

        self._fetching = processes(_FETCHING | _authorization(token))
        self._reading = processes(_READING)
        self._clock = clock

    def stop(self) -> None:
        self._fetching.stop()
        self._reading.stop()

    def head(self, url: str) -> str:
        """The commit of the default branch."""
        with tempfile.TemporaryDirectory() as directory:
            words = ["ls-remote", "--quiet", url, "HEAD"]
            output = self._checked(self._fetching, Path(directory), words, b"", 65536)
        commit = output.decode("ascii", "replace").partition("\t")[0]
        if not re.fullmatch(r"[0-9a-f]{40}", commit):
            msg = "The repository is empty."
            raise RepositoryNotFoundError(msg)
        return commit

    def fetch_commit(self, directory: Path, url: str, commit: str) -> None:
        """A commit and its trees, without any content, into a new repository in `directory`."""
        self._read(directory, ["init", "--quiet", "--bare", "--template=", "."])
        self._fetch(directory, url, "--depth=1", "origin", f"+{commit}:refs/tryskills/commit")

    def fetch_blobs(self, directory: Path, url: str, ids: Collection[str]) -> None:
        self._fetch(directory, url, "--stdin", "origin", given="\n".join(ids).encode())

    def files(self, directory: Path, commit: str) -> Iterator[Listed]:
        """Raises SkillTooLargeError for a list that does not end: one tree may hold another a
        thousand times.
        """
        words = ["ls-tree", "-r", "-z", "--full-tree", commit]
        output = self._read(directory, words, most=_MAX_LIST)
        for record in output.split(b"\0"):
            head, _, path = record.partition(b"\t")
            if path:
                mode, _, name = head.decode("ascii").split(" ")
                yield Listed(path.decode("utf-8", "surrogateescape"), mode, name)

    def sizes(self, directory: Path, ids: Sequence[str]) -> dict[str, int]:
        """The sizes of those that are there."""
        output = self._read(
            directory, ["cat-file", "--batch-check"], given=_lines(ids), most=100 * len(ids) + 1
        )
        rows = [line.split() for line in output.decode("ascii", "replace").splitlines()]
        return {row[0]: int(row[2]) for row in rows if len(row) == 3 and row[1] == "blob"}

    def contents(self, directory: Path, sizes: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
        """Of objects that are there; `sizes` is what `sizes` said of them."""
        most = sum(sizes.values()) + 100 * len(sizes)
        given = _lines(sizes)
        output = self._read(directory, ["cat-file", "--batch"], given=given, most=most)
        at = 0
        for name, size in sizes.items():
            start = output.index(b"\n", at) + 1
            yield name, output[start : start + size]
            at = start + size + 1

    def _fetch(self, directory: Path, url: str, *words: str, given: bytes = b"") -> None:
        origin = ("-c", f"remote.origin.url={url}")
        self._checked(self._fetching, directory, [*origin, *_FETCH, *words], given, 65536)

    def _read(
        self, directory: Path, words: Sequence[str], *, given: bytes = b"", most: int = 65536
    ) -> bytes:
        return self._checked(self._reading, directory, words, given, most)

    def _checked(
        self,
        processes: GitProcesses,
        directory: Path,
        words: Sequence[str],
        given: bytes,
        most: int,
    ) -> bytes:
        try:
            finished = processes.run(directory, words, given=given, most=most)
        except TooMuchError as exc:
            msg = "The repository is too large to be read."
            raise SkillTooLargeError(msg) from exc
        except FileNotFoundError as exc:
            msg = "This repository can only be read by git, which is not installed here."
            raise SourceUnavailableError(msg) from exc
        if not finished.is_ok:
            self._refuse(finished)
        return finished.output

    def _refuse(self, finished: Finished) -> NoReturn:
        if finished.is_late:
            msg = "The source of the repository does not answer."
            raise SourceUnavailableError(msg)
        if _LIMITED.search(finished.complaint):
            msg = "The source of the repository asks us to wait."
            raise SourceRateLimitedError(msg, retry_at=self._clock() + _RETRY)
        if _TOO_LARGE.search(finished.complaint):
            msg = "The repository is too large to be read."
            raise SkillTooLargeError(msg)
        if _GONE.search(finished.complaint):
            msg = "There is no such public repository, or not that commit in it."
            raise RepositoryNotFoundError(msg)
        logger.warning("git failed: %s", finished.complaint[:500])
        msg = "The source does not give the repository."
        raise SourceUnavailableError(msg)


_IN_PEACE = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}


def _as_environment(config: Mapping[str, str]) -> dict[str, str]:
    """Settings of git as variables: a command line is seen by every user of the machine."""
    pairs = {"GIT_CONFIG_COUNT": str(len(config))}
    for number, (key, value) in enumerate(config.items()):
        pairs |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return pairs


def _authorization(token: str) -> dict[str, str]:
    if not token:
        return {}
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    return {"http.extraHeader": f"Authorization: Basic {basic}"}


def _lines(ids: Collection[str]) -> bytes:
    return "".join(f"{name}\n" for name in ids).encode()
