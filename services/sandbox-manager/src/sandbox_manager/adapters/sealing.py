"""AES-256-GCM for what must lie in the store and be read again: agent tokens and signed URLs."""

import base64
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sandbox_manager.ports.own import Sealer

_NONCE_BYTES = 12


class AesSealer(Sealer):
    """Associated data binds owner and field: a value moved to another row does not open."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, text: str, *, owner_id: str, field: str) -> str:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, text.encode(), _bound(owner_id, field))
        return base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str, *, owner_id: str, field: str) -> str:
        """Raises ValueError when the key, the owner or the field is another."""
        raw = base64.b64decode(sealed)
        try:
            opened = self._cipher.decrypt(
                raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bound(owner_id, field)
            )
        except InvalidTag as exc:
            raise ValueError(f"{field} does not open with this key for this owner") from exc
        return opened.decode()


def _bound(owner_id: str, field: str) -> bytes:
    return f"{owner_id}\0{field}".encode()
