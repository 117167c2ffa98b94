"""API tokens: shown once, kept as a hash."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from common.contracts.keys import API_TOKEN_PREFIX

_BYTES = 32


@dataclass(frozen=True)
class Token:
    """What is kept; the value has 256 random bits, so a plain SHA-256 of it is enough."""

    id: str
    owner_id: str
    name: str
    scope: str
    sha256: str
    last_four: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


def new_value() -> str:
    return API_TOKEN_PREFIX + secrets.token_urlsafe(_BYTES)


def sha256_of(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
