"""The configuration of the NATS server: JetStream in files, and the users of every deployment.

Who may do what stands in `deploy/nats/users.conf`, the same file that a cluster uses; it takes the
passwords from the server's environment.
"""

import json
import re
from pathlib import Path

USERS_FILE = Path("deploy/nats/users.conf")
SYNC_INTERVAL = "1s"
_PASSWORD = re.compile(r"^\s*password: \$(NATS_PASSWORD_\w+)$", re.M)
_USER = re.compile(r'^\s*user: "([a-z-]+)"$', re.M)


def passwords(users_file: Path) -> dict[str, str]:
    """The users of that file, each with the variable that its password is read from."""
    text = users_file.read_text()
    return dict(zip(_USER.findall(text), _PASSWORD.findall(text), strict=True))


def render(host: str, port: int, directory: Path, users_file: Path) -> str:
    config = {
        "server_name": "local",
        "host": host,
        "port": port,
        "jetstream": {"store_dir": str(directory), "sync_interval": SYNC_INTERVAL},
    }
    # JSON's members are lines of the server's own format.
    lines = "".join(f"{name}: {json.dumps(value)}\n" for name, value in config.items())
    return lines + users_file.read_text()
