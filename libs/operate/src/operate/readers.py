"""A login for another team: it may read events and nothing else.

The server's configuration holds a bcrypt hash of the password; the password itself is told once.
"""

import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

import bcrypt
from common.messaging.permissions import with_reader

from operate.errors import OperateError

_COST = 11
"""As `nats server passwd` has it: some 0.1 s at each connect."""


def add(name: str, config: Path, address: str) -> str:
    """Write the reader into `config`; the URL that its team connects with, password and all. Who
    is there already gets another password.
    """
    password = f"p{secrets.token_hex(24)}"
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(_COST)).decode()
    try:
        changed = with_reader(config.read_text(), name, hashed)
    except (OSError, ValueError) as exc:
        raise OperateError(str(exc)) from exc
    _replace(config, changed)
    server = urlsplit(address)
    return server._replace(netloc=f"{name}:{password}@{server.netloc}").geturl()


def _replace(path: Path, text: str) -> None:
    """Whole or not at all; a server that reads it meanwhile finds one of the two."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.touch(mode=path.stat().st_mode & 0o777)
    fresh.write_text(text)
    fresh.replace(path)
