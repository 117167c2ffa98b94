"""One git command under limits: time, bytes written, bytes said. Runs in a worker thread.

git starts processes of its own, so a command is a process group, and what ends early is killed as
one.
"""

import contextlib
import os
import resource
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

_SAID = 2000


class TooMuchError(Exception):
    """The command said more than was asked for; it was stopped."""


@dataclass(frozen=True)
class Finished:
    output: bytes
    complaint: str
    is_ok: bool
    is_late: bool


class GitProcesses:
    """Runs git in directories of its own; `stop` ends what still runs."""

    def __init__(
        self, environment: Mapping[str, str], *, timeout: timedelta, file_bytes: int
    ) -> None:
        self._environment = dict(environment)
        self._timeout_s = timeout.total_seconds()
        self._file_bytes = file_bytes
        self._running: set[subprocess.Popen[bytes]] = set()

    def run(
        self, directory: Path, words: Sequence[str], *, given: bytes = b"", most: int = 65536
    ) -> Finished:
        """Run `git words`, give it `given`, read up to `most` bytes.

        Raises:
            TooMuchError: it says more.
            FileNotFoundError: there is no git here.
        """
        with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stderr:
            stdin.write(given)
            stdin.seek(0)
            with self._started(directory, words, stdin.fileno(), stderr.fileno()) as process:
                late = threading.Event()
                alarm = threading.Timer(self._timeout_s, _end, [process, late])
                alarm.start()
                try:
                    output = process.stdout.read(most + 1) if process.stdout else b""
                    is_too_much = len(output) > most
                    if is_too_much:
                        _end(process)
                    code = process.wait()
                finally:
                    alarm.cancel()
                    _end(process)
            stderr.seek(0)
            complaint = stderr.read(_SAID).decode("utf-8", "replace")
        if is_too_much:
            raise TooMuchError
        return Finished(output, complaint, code == 0, late.is_set())

    def stop(self) -> None:
        for process in list(self._running):
            _end(process)

    @contextlib.contextmanager
    def _started(
        self, directory: Path, words: Sequence[str], stdin: int, stderr: int
    ) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen(
            ["git", *words],
            cwd=directory,
            env=self._environment | {"HOME": str(directory)},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
        self._running.add(process)
        try:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                limit = (self._file_bytes, self._file_bytes)
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limit)
            yield process
        finally:
            self._running.discard(process)
            if process.stdout is not None:
                process.stdout.close()


def _end(process: subprocess.Popen[bytes], late: threading.Event | None = None) -> None:
    if late is not None:
        late.set()
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
