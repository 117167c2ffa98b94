"""A whole platform of its own, for tests and benchmarks: free ports, own data, real processes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil

ROOT = Path(__file__).parents[4]
UP_S = 900
COMMAND_S = 120

Finished = subprocess.CompletedProcess[str]


class CommandFailedError(Exception):
    """A command of the stack ended badly; the text is what it printed."""


@dataclass(frozen=True)
class Instance:
    """A platform whose data lie in `directory`; `environment` is what its commands need."""

    directory: Path
    environment: dict[str, str]

    @classmethod
    def of(cls, directory: Path, **settings: str) -> Self:
        """The platform whose data lie in `directory`, on ports of its own; it may be up."""
        own = {"LOCAL_DIR": str(directory), "LOCAL_PORTS": "free"}
        return cls(directory, {**os.environ, **own, **settings})  # noqa: TID251 (its commands inherit the caller's environment)

    def up(self) -> None:
        self.stack("up", "--detach", within_s=UP_S)

    def down(self) -> None:
        self.stack("down")

    @property
    def url(self) -> str:
        return self.stack("url")

    @property
    def processes(self) -> dict[str, dict[str, Any]]:
        """Of each process by name, while the platform is ready: `pid`, `port`, `log`."""
        described = json.loads((self.directory / "platform.json").read_text())
        processes: dict[str, dict[str, Any]] = described["processes"]
        return processes

    def kill(self, name: str) -> None:
        """SIGKILL a process of the platform as it is by now; it is started again."""
        port = self.processes[name]["port"]
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if any(
                    one.laddr.port == port and one.status == psutil.CONN_LISTEN
                    for one in process.net_connections(kind="tcp")
                ):
                    process.kill()

    def token(self, user: str) -> str:
        return self.stack("token", "--user", user)

    def stack(self, *words: str, within_s: float = COMMAND_S) -> str:
        """Run a command of the stack on this platform; the answer is what it printed."""
        done = self.run(sys.executable, "-m", "local_platform.stack", *words, within_s=within_s)
        if done.returncode != 0:
            raise CommandFailedError(done.stdout + done.stderr)
        return done.stdout.strip()

    def run(self, *command: str, within_s: float = COMMAND_S) -> Finished:
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )


@contextmanager
def running(directory: Path, **settings: str) -> Iterator[Instance]:
    """A platform that is up; afterwards it is down, whatever happened."""
    instance = Instance.of(directory, **settings)
    try:
        instance.up()
        yield instance
    finally:
        instance.down()
