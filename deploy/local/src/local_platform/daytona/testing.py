"""A host as a process of its own, for tests that want the real thing."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

READY_WITHIN_S = 180.0
STOP_WITHIN_S = 30.0
READY = "is ready at"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class HostProcess:
    """`start` and `stop` keep the same folder and port, as a restart of the host does."""

    data_dir: Path
    key: str = "test-key-of-the-host"
    port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def api_url(self) -> str:
        return f"{self.url}/api"

    def start(self) -> None:
        own = {
            "LOCAL_DAYTONA_API_KEY": self.key,
            "LOCAL_DAYTONA_PORT": str(self.port),
            "LOCAL_DAYTONA_DATA_DIR": str(self.data_dir),
        }
        with (self.data_dir / "log").open("ab") as log:
            before = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "local_platform.daytona"],
                env=os.environ | own | self.settings,  # noqa: TID251 - handed on, not read
                stdout=log,
                stderr=log,
            )
        self._wait_until_ready(self.process, before)

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(number)
        return self.process.wait(timeout=STOP_WITHIN_S)

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def log(self) -> str:
        return (self.data_dir / "log").read_text()

    def _wait_until_ready(self, process: subprocess.Popen[bytes], log_from: int) -> None:
        """By its own words: on a port in use another host would answer."""
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            ended = process.poll() is not None
            if READY in self.log()[log_from:]:
                return
            if ended:
                break
            time.sleep(0.05)
        raise RuntimeError(f"the host did not get ready: {self.log()}")
