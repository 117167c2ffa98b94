"""A share: a read-only link to the turns of a session that had ended when it was made."""

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from common.contracts.sandbox import Receipt


@dataclass(frozen=True)
class Share:
    """Only the hash of the link's secret part is kept."""

    id: str
    owner_id: str
    session_id: str
    token_sha256: str
    last_seq: int
    with_tools: bool
    with_reasoning: bool
    receipt: Receipt | None
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        return self.ended_at is None and now < self.expires_at

    def ended(self, at: datetime) -> Self:
        return replace(self, ended_at=at)

    def shows(self, entry_type: str) -> bool:
        if entry_type == "reasoning":
            return self.with_reasoning
        return self.with_tools or not entry_type.startswith("tool.")


def new_token() -> tuple[str, str]:
    """A link's secret part, and its SHA-256."""
    token = secrets.token_urlsafe(32)
    return token, hashlib.sha256(token.encode()).hexdigest()
