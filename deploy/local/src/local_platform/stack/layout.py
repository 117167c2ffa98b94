"""Where everything lies below `LOCAL_DIR`."""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

LONGEST_SOCKET_PATH = 100


@dataclass(frozen=True)
class Layout:
    """`root` is absolute; `secrets`, `env` and `run` are for the owner of the files alone."""

    root: Path

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def env(self) -> Path:
        return self.root / "env"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def nats(self) -> Path:
        return self.root / "nats"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def daytona(self) -> Path:
        return self.root / "daytona"

    @property
    def platform_file(self) -> Path:
        return self.root / "platform.json"

    @property
    def ports(self) -> Path:
        return self.root / "ports.json"

    @property
    def lock(self) -> Path:
        return self.run / "lock"

    @property
    def supervisor_config(self) -> Path:
        return self.run / "supervisord.conf"

    @property
    def supervisor_pid(self) -> Path:
        return self.run / "supervisord.pid"

    @property
    def supervisor_socket(self) -> Path:
        """A Unix socket's path may have 107 bytes; a longer one moves to the temporary folder."""
        path = self.run / "supervisor.sock"
        if len(bytes(path)) <= LONGEST_SOCKET_PATH:
            return path
        name = hashlib.sha256(bytes(path)).hexdigest()[:20]
        return Path(tempfile.gettempdir()) / f"local-platform-{name}.sock"

    def script(self, process: str) -> Path:
        return self.run / f"{process}.sh"

    def log(self, process: str) -> Path:
        return self.logs / f"{process}.log"

    def make(self) -> None:
        for directory in (self.root, self.logs, self.nats, self.store, self.daytona):
            directory.mkdir(parents=True, exist_ok=True)
        for directory in (self.secrets, self.env, self.run):
            directory.mkdir(exist_ok=True)
            directory.chmod(0o700)
