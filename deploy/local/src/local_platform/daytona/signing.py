"""Tokens and signatures: made at random, compared in constant time."""

import base64
import hashlib
import hmac
import secrets
import string

ALPHABET = string.ascii_lowercase + string.digits
TOKEN_LENGTH = 16


def new_token() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(TOKEN_LENGTH))


def new_key() -> str:
    return secrets.token_urlsafe(32)


def same(given: str | None, expected: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), expected.encode())


def file_signature(key: str, method: str, path: str, expires: int) -> str:
    """The signature the SDK computes for a file URL with the sandbox's signing key."""
    canonical = f"v1:files:{method}:{path}:{expires}".encode()
    digest = hmac.new(key.encode(), canonical, hashlib.sha256).digest()
    return "v1_" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
