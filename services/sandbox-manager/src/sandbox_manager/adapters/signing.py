"""Ed25519 over receipts, with a key derived from the sealing key."""

import base64

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sandbox_manager.ports.own import Signer

_PURPOSE = b"tryskills receipts v1"


class Ed25519Signer(Signer):
    def __init__(self, key: bytes) -> None:
        seed = HKDF(hashes.SHA256(), length=32, salt=None, info=_PURPOSE).derive(key)
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public_key(self) -> str:
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return base64.b64encode(raw).decode()

    def sign(self, content: bytes) -> str:
        return base64.b64encode(self._key.sign(content)).decode()
