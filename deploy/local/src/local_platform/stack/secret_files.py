"""The secrets of one machine's platform: made once, kept below `LOCAL_DIR`, mode 0600."""

import base64
import secrets
from collections.abc import Callable, Iterable

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from local_platform.stack.faults import FaultError
from local_platform.stack.files import write_private
from local_platform.stack.layout import Layout

MASTER_KEY = "keys-master-key"
SEAL_KEY = "sandbox-manager-seal-key"
ISSUER_KEY = "gateway-issuer-key.pem"
DAYTONA_KEY = "daytona-api-key"
DEPLOYMENT_ID = "deployment-id"


def nats_password(user: str) -> str:
    return f"nats-password-{user}"


def ensure(layout: Layout, nats_users: Iterable[str] = ()) -> dict[str, str]:
    """Make the secrets that are missing; the values of all, by name."""
    _refuse_lost_master_key(layout)
    return {name: _ensure(layout, name, make) for name, make in _makers(nats_users).items()}


def _makers(nats_users: Iterable[str]) -> dict[str, Callable[[], str]]:
    return {
        DEPLOYMENT_ID: lambda: f"local-{secrets.token_hex(4)}",
        MASTER_KEY: _key_of_32_bytes,
        SEAL_KEY: _key_of_32_bytes,
        ISSUER_KEY: _issuer_key,
        DAYTONA_KEY: lambda: secrets.token_urlsafe(32),
        **{nats_password(user): _word for user in nats_users},
    }


def _ensure(layout: Layout, name: str, make: Callable[[], str]) -> str:
    path = layout.secrets / name
    if not path.exists():
        write_private(path, make())
    path.chmod(0o600)
    return path.read_text().strip()


def _refuse_lost_master_key(layout: Layout) -> None:
    path = layout.secrets / MASTER_KEY
    if not path.exists() and any(layout.store.iterdir()):
        raise FaultError(
            f"{path} is missing, and without it the secrets in {layout.store} cannot be opened."
            f" Put it back, or start anew by moving {layout.root} away."
        )


def _word() -> str:
    # The server reads what begins with a digit as a number.
    return f"p{secrets.token_hex(24)}"


def _key_of_32_bytes() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _issuer_key() -> str:
    return (
        Ed25519PrivateKey.generate()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )
