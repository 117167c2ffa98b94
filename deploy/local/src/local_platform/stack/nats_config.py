"""The configuration of the NATS server: one user per service, JetStream in files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

EVERYTHING: dict[str, Any] = {"publish": ">", "subscribe": ">"}

USERS: dict[str, dict[str, Any]] = {
    "gateway": EVERYTHING,
    "sandbox-manager": EVERYTHING,
    "skill-resolver": EVERYTHING,
    "chat-proxy": EVERYTHING,
    "relay": EVERYTHING,
    "keys": EVERYTHING,
    "operator": EVERYTHING,
}
"""What each user may do, as the server's configuration has it; `operator` is for a person."""

SYNC_INTERVAL = "1s"


def render(host: str, port: int, directory: Path, passwords: Mapping[str, str]) -> str:
    """The configuration; JSON is a form of the server's own format."""
    users = [
        {"user": user, "password": passwords[user], "permissions": permissions}
        for user, permissions in USERS.items()
    ]
    config = {
        "server_name": "local",
        "host": host,
        "port": port,
        "jetstream": {"store_dir": str(directory), "sync_interval": SYNC_INTERVAL},
        "authorization": {"users": users},
    }
    return json.dumps(config, indent=2)
