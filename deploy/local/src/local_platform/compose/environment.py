"""The file of variables that `deploy/compose.yaml` reads its secrets from."""

import base64
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

from local_platform.stack.files import write_private


def ensure(path: Path, nats_users: Iterable[str]) -> None:
    """Make the file, mode 0600, or add to it what is missing; what is there stays as it is."""
    known = dict(_read(path))
    missing = {
        name: make() for name, make in _makers(nats_users).items() if not known.get(name, "")
    }
    if missing or not path.exists():
        lines = (f"{name}={value}\n" for name, value in (known | missing).items())
        write_private(path, "".join(lines))


def _makers(nats_users: Iterable[str]) -> dict[str, Callable[[], str]]:
    return {
        "DEPLOYMENT_ID": lambda: f"compose-{secrets.token_hex(4)}",
        "KEYS_MASTER_KEY": _key_of_32_bytes,
        "SANDBOX_MANAGER_SEAL_KEY": _key_of_32_bytes,
        "GATEWAY_COOKIE_KEY": _key_of_32_bytes,
        "DAYTONA_API_KEY": _word,
        "NATS_CLUSTER_PASSWORD": _word,
        **dict.fromkeys(nats_users, _word),
    }


def _read(path: Path) -> list[tuple[str, str]]:
    if not path.exists():
        return []
    pairs = (line.partition("=") for line in path.read_text().splitlines())
    return [(name, value) for name, equals, value in pairs if equals]


def _word() -> str:
    # NATS reads what begins with a digit as a number.
    return f"p{secrets.token_hex(24)}"


def _key_of_32_bytes() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()
