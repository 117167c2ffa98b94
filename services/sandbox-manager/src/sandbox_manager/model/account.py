"""Whose account at the provider a sandbox is in: the operator's, or its owner's own.

Names and ids of sandboxes in an own account are written `<account>/<name>` throughout this
service, so that each leads to the right account by itself. The provider's ids are unique over all
accounts: two keys may open one account, so ids are compared without it.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime

from sandbox_manager.model.record import Record

OPERATORS = ""
"""The operator's account."""

_LENGTH = 20


class Account(Record):
    """An owner's own account: a key of theirs, sealed for them."""

    id: str
    owner_id: str
    sealed_key: str
    used_at: datetime


@dataclass(frozen=True)
class AccountKey:
    """What keys tells about an owner's own key; never the key."""

    version: int
    set_at: datetime

    @property
    def stamp(self) -> str:
        """Changes whenever the owner enters a key; stands for it where keys need not be asked."""
        return f"{self.version}:{self.set_at.isoformat()}"


def account_id(secret: bytes, key: str) -> str:
    """The same for the same key, whoever enters it; nobody gets the key from it."""
    digest = hmac.new(secret, f"account\0{key}".encode(), hashlib.sha256).hexdigest()
    return f"acc_{digest[:_LENGTH]}"


def placed(account: str, name: str) -> str:
    return f"{account}/{name}" if account else name


def place(name: str) -> tuple[str, str]:
    """The account, and the provider's own name or id."""
    account, _, plain = name.rpartition("/")
    return account, plain


def plain(name: str) -> str:
    return place(name)[1]
