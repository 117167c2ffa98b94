"""What the use cases need of the outside."""

from datetime import datetime
from typing import Protocol

from common.contracts.events import OutgoingEvent

from keys.model.choice import Choice
from keys.model.owner import Identity, Owner
from keys.model.sealing import WrappedKey
from keys.model.secret import Reveal, Secret, SecretKey
from keys.model.token import Token


class MasterKey(Protocol):
    """Wraps data keys: a key in memory, or a key management service."""

    @property
    def id(self) -> str:
        """Names the key that `wrap` uses; tells nothing about it."""
        ...

    async def wrap(self, data_key: bytes, *, owner_id: str) -> WrappedKey: ...

    async def unwrap(self, wrapped: WrappedKey) -> bytes:
        """The data key. Raises SealBrokenError."""
        ...


class Owners(Protocol):
    async def resolve(self, identity: Identity, *, mint: Owner, emit: OutgoingEvent) -> Owner:
        """The identity's owner; `mint` becomes it, with its event, where there is none yet."""
        ...

    async def exists(self, owner_id: str) -> bool: ...

    async def forget(self, owner_id: str, *, at: datetime, emit: OutgoingEvent) -> int:
        """Remove the identity from the owner's record; 1 if it was there."""
        ...

    async def forgotten(self, *, before: datetime) -> list[str]:
        """Owners erased before that time whose events have all gone out."""
        ...

    async def delete(self, owner_id: str) -> None: ...


class DataKeys(Protocol):
    async def get(self, owner_id: str) -> WrappedKey | None: ...

    async def add(self, wrapped: WrappedKey) -> WrappedKey:
        """The owner's key: `wrapped`, or the one that another call stored before.

        Raises NotFoundError when the owner was erased.
        """
        ...

    async def replace(self, wrapped: WrappedKey, *, expected_master_id: str) -> bool:
        """Store the same key wrapped anew, if it still is wrapped as expected."""
        ...

    async def wrapped_otherwise(self, master_id: str, *, limit: int) -> list[WrappedKey]:
        """Keys that another master key wrapped."""
        ...

    async def shred(self, owner_id: str) -> int:
        """Destroy the owner's key, and let none be added again; 1 if it was there."""
        ...

    async def delete(self, owner_id: str) -> None: ...


class Secrets(Protocol):
    async def get(self, key: SecretKey) -> Secret | None:
        """The secret, deleted ones included."""
        ...

    async def list(self, owner_id: str) -> list[Secret]:
        """The owner's secrets that are set, by name and skill."""
        ...

    async def save(self, secret: Secret, *, emit: OutgoingEvent) -> bool:
        """Store it if the stored version is the one before; its event in the same step."""
        ...

    async def erase(self, owner_id: str) -> int:
        """Drop every ciphertext of the owner; how many were set."""
        ...

    async def purge(self, owner_id: str) -> int:
        """Delete the owner's records whose events have gone out; how many are left."""
        ...


class Choices(Protocol):
    async def get(self, owner_id: str) -> Choice | None: ...

    async def put(self, owner_id: str, choice: Choice) -> Choice:
        """Store it as the next version."""
        ...

    async def erase(self, owner_id: str) -> int: ...


class Audit(Protocol):
    async def add(self, reveal: Reveal, *, emit: OutgoingEvent) -> None: ...

    async def purge(self, owner_id: str) -> int:
        """Delete the owner's lines whose events have gone out; how many were deleted."""
        ...


class Tokens(Protocol):
    async def add(self, token: Token) -> None: ...

    async def list(self, owner_id: str) -> list[Token]: ...

    async def by_hash(self, sha256: str) -> Token | None: ...

    async def used(self, token_id: str, at: datetime) -> None: ...

    async def delete(self, owner_id: str, token_id: str) -> bool: ...

    async def erase(self, owner_id: str) -> int: ...
