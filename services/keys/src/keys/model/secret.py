"""A secret: a value of an owner, for the platform or for one skill."""

from dataclasses import dataclass
from datetime import datetime

from common.contracts.keys import ACCOUNT_KEY
from common.errors import ErrorCode, InvalidError
from common.providers import PROVIDERS
from common.variables import is_refused

from keys.model.sealing import Sealed, bound_to

PLATFORM_KEYS = frozenset(p.key_name for p in PROVIDERS.values() if p.key_name) | {ACCOUNT_KEY}
MOST_CHARACTERS = 65_536
SHOWN = 4
# Below this length four characters would tell too much of the value.
_SHOWN_FROM = 12


@dataclass(frozen=True)
class SecretKey:
    """Which secret of which owner; `skill` is absent for the platform's own keys."""

    owner_id: str
    name: str
    skill: str | None = None


@dataclass(frozen=True)
class Secret:
    """`sealed` is None once it is deleted; the version goes on rising when it is put again."""

    key: SecretKey
    version: int
    digest: str | None
    last_four: str
    set_at: datetime
    sealed: Sealed | None

    @property
    def associated(self) -> bytes:
        return associated(self.key, version=self.version, digest=self.digest)


@dataclass(frozen=True)
class Reveal:
    """One line of the audit: which value was given out, when and what for."""

    id: str
    at: datetime
    key: SecretKey
    version: int
    purpose: str


def associated(key: SecretKey, *, version: int, digest: str | None) -> bytes:
    """What a secret's ciphertext is bound to."""
    return bound_to("secret", key.owner_id, key.name, key.skill or "", digest or "", version)


def checked_value(key: SecretKey, value: str) -> str:
    """The value as it is kept. Raises InvalidError, which never repeats it."""
    kept = value if key.skill else value.strip()
    if not kept:
        raise InvalidError(f"{key.name} is empty")
    if len(kept) > MOST_CHARACTERS:
        raise InvalidError(f"{key.name} is longer than {MOST_CHARACTERS} characters")
    if "\0" in kept:
        raise InvalidError(f"{key.name} holds a zero byte")
    # A platform's key travels in a header.
    if key.skill is None and not (kept.isascii() and kept.isprintable() and " " not in kept):
        raise InvalidError(f"{key.name} holds characters that no key has")
    return kept


def check_name(key: SecretKey) -> None:
    """Refuse names that nobody may set for a skill, and platform keys that do not exist."""
    if key.skill is None and key.name not in PLATFORM_KEYS:
        known = ", ".join(sorted(PLATFORM_KEYS))
        raise InvalidError(f"{key.name} is no key of the platform ({known}): name the skill")
    if key.skill is not None and is_refused(key.name):
        message = f"{key.name} cannot be set for a skill: it would change the agent itself"
        raise InvalidError(message, code=ErrorCode.VARIABLE_REFUSED)


def shown_end(value: str) -> str:
    return value[-SHOWN:] if len(value) >= _SHOWN_FROM else ""
