"""Sealing: AES-256-GCM under a key per owner, bound to the row it belongs to.

The associated data names owner, secret, skill, digest and version, so a ciphertext that is moved
to another row, or put back in place of a newer one, does not open.
"""

import json
import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys.errors import SealBrokenError

KEY_BYTES = 32
_NONCE_BYTES = 12


@dataclass(frozen=True)
class Sealed:
    """What is kept of a value."""

    nonce: bytes
    ciphertext: bytes


@dataclass(frozen=True)
class WrappedKey:
    """An owner's data key as it is kept: sealed by the master key that `master_id` names."""

    owner_id: str
    master_id: str
    sealed: Sealed


def new_key() -> bytes:
    return AESGCM.generate_key(KEY_BYTES * 8)


def bound_to(*parts: str | int) -> bytes:
    """Associated data; JSON, so that no two lists of parts read the same."""
    return json.dumps(parts, ensure_ascii=True, separators=(",", ":")).encode()


def seal(key: bytes, plaintext: bytes, associated: bytes) -> Sealed:
    nonce = os.urandom(_NONCE_BYTES)
    return Sealed(nonce, AESGCM(key).encrypt(nonce, plaintext, associated))


def unseal(key: bytes, sealed: Sealed, associated: bytes) -> bytes:
    """The value. Raises SealBrokenError."""
    try:
        return AESGCM(key).decrypt(sealed.nonce, sealed.ciphertext, associated)
    except (InvalidTag, ValueError) as exc:
        message = "a sealed value does not open"
        raise SealBrokenError(message) from exc
