"""The stores of keys in memory, and the service over them."""

import os
from dataclasses import dataclass, field, replace
from datetime import datetime

import pytest
from common.contracts.events import OutgoingEvent
from common.errors import NotFoundError
from common.ids import new_id
from common.testing.fakes import StoppedClock
from keys.adapters.master_key import LocalMasterKey
from keys.model.choice import Choice
from keys.model.owner import Identity, Owner
from keys.model.sealing import Sealed, WrappedKey
from keys.model.secret import Reveal, Secret, SecretKey
from keys.model.token import Token
from keys.service.choices import ChoicesService
from keys.service.owners import OwnersService, Stores
from keys.service.secrets import SecretsService, Vault
from keys.service.tokens import TokensService


@dataclass
class FakeOwners:
    owners: dict[Identity, Owner] = field(default_factory=dict)
    erased: dict[str, datetime] = field(default_factory=dict)
    emitted: list[OutgoingEvent] = field(default_factory=list)

    async def resolve(self, identity: Identity, *, mint: Owner, emit: OutgoingEvent) -> Owner:
        if identity not in self.owners:
            self.owners[identity] = mint
            self.emitted.append(emit)
        return self.owners[identity]

    async def exists(self, owner_id: str) -> bool:
        return any(owner.id == owner_id for owner in self.owners.values())

    async def forget(self, owner_id: str, *, at: datetime, emit: OutgoingEvent) -> int:
        known = [i for i, owner in self.owners.items() if owner.id == owner_id]
        for identity in known:
            del self.owners[identity]
            self.erased[owner_id] = at
            self.emitted.append(emit)
        return len(known)

    async def forgotten(self, *, before: datetime) -> list[str]:
        return [owner_id for owner_id, at in self.erased.items() if at < before]

    async def delete(self, owner_id: str) -> None:
        del self.erased[owner_id]


@dataclass
class FakeDataKeys:
    keys: dict[str, WrappedKey | None] = field(default_factory=dict)

    async def get(self, owner_id: str) -> WrappedKey | None:
        return self.keys.get(owner_id)

    async def add(self, wrapped: WrappedKey) -> WrappedKey:
        stored = self.keys.setdefault(wrapped.owner_id, wrapped)
        if stored is None:
            raise NotFoundError("erased")
        return stored

    async def replace(self, wrapped: WrappedKey, *, expected_master_id: str) -> bool:
        stored = self.keys.get(wrapped.owner_id)
        if stored is None or stored.master_id != expected_master_id:
            return False
        self.keys[wrapped.owner_id] = wrapped
        return True

    async def wrapped_otherwise(self, master_id: str, *, limit: int) -> list[WrappedKey]:
        return [key for key in self.keys.values() if key and key.master_id != master_id][:limit]

    async def shred(self, owner_id: str) -> int:
        before = self.keys.get(owner_id)
        self.keys[owner_id] = None
        return 1 if before else 0

    async def delete(self, owner_id: str) -> None:
        del self.keys[owner_id]


@dataclass
class FakeSecrets:
    secrets: dict[SecretKey, Secret] = field(default_factory=dict)
    emitted: list[OutgoingEvent] = field(default_factory=list)
    lose: int = 0
    """So many writes find that somebody else was first."""

    async def get(self, key: SecretKey) -> Secret | None:
        return self.secrets.get(key)

    async def list(self, owner_id: str) -> list[Secret]:
        return [s for s in self.secrets.values() if s.key.owner_id == owner_id and s.sealed]

    async def save(self, secret: Secret, *, emit: OutgoingEvent) -> bool:
        if self.lose > 0:
            self.lose -= 1
            return False
        self.secrets[secret.key] = secret
        self.emitted.append(emit)
        return True

    async def erase(self, owner_id: str) -> int:
        known = await self.list(owner_id)
        for secret in known:
            self.secrets[secret.key] = replace(secret, sealed=None)
        return len(known)

    async def purge(self, owner_id: str) -> int:
        self.secrets = {k: s for k, s in self.secrets.items() if k.owner_id != owner_id}
        return 0


@dataclass
class FakeChoices:
    choices: dict[str, Choice] = field(default_factory=dict)

    async def get(self, owner_id: str) -> Choice | None:
        return self.choices.get(owner_id)

    async def put(self, owner_id: str, choice: Choice) -> Choice:
        before = self.choices.get(owner_id)
        self.choices[owner_id] = replace(choice, version=(before.version if before else 0) + 1)
        return self.choices[owner_id]

    async def erase(self, owner_id: str) -> int:
        return 1 if self.choices.pop(owner_id, None) else 0


@dataclass
class FakeAudit:
    lines: list[Reveal] = field(default_factory=list)
    emitted: list[OutgoingEvent] = field(default_factory=list)
    is_full: bool = False

    async def add(self, reveal: Reveal, *, emit: OutgoingEvent) -> None:
        if self.is_full:
            raise ConnectionError("no room for the audit")
        self.lines.append(reveal)
        self.emitted.append(emit)

    async def purge(self, owner_id: str) -> int:
        before = len(self.lines)
        self.lines = [line for line in self.lines if line.key.owner_id != owner_id]
        return before - len(self.lines)


@dataclass
class FakeTokens:
    tokens: dict[str, Token] = field(default_factory=dict)

    async def add(self, token: Token) -> None:
        self.tokens[token.id] = token

    async def list(self, owner_id: str) -> list[Token]:
        return [token for token in self.tokens.values() if token.owner_id == owner_id]

    async def by_hash(self, sha256: str) -> Token | None:
        return next((t for t in self.tokens.values() if t.sha256 == sha256), None)

    async def used(self, token_id: str, at: datetime) -> None:
        self.tokens[token_id] = replace(self.tokens[token_id], last_used_at=at)

    async def delete(self, owner_id: str, token_id: str) -> bool:
        token = self.tokens.get(token_id)
        if token is None or token.owner_id != owner_id:
            return False
        del self.tokens[token_id]
        return True

    async def erase(self, owner_id: str) -> int:
        known = await self.list(owner_id)
        for token in known:
            del self.tokens[token.id]
        return len(known)


class World:
    """Every use case over the same stores; the fakes are open to a test."""

    def __init__(self) -> None:
        self.clock = StoppedClock()
        self.owner_store = FakeOwners()
        self.data_keys = FakeDataKeys()
        self.secret_store = FakeSecrets()
        self.choice_store = FakeChoices()
        self.token_store = FakeTokens()
        self.audit = FakeAudit()
        self.master = LocalMasterKey(os.urandom(32))
        stores = Stores(
            owners=self.owner_store,
            data_keys=self.data_keys,
            secrets=self.secret_store,
            choices=self.choice_store,
            tokens=self.token_store,
            audit=self.audit,
        )
        self.owners = OwnersService(stores, self.clock)
        self.secrets = SecretsService(
            secrets=self.secret_store,
            vault=Vault(self.data_keys, self.master),
            owners=self.owner_store,
            audit=self.audit,
            clock=self.clock,
        )
        self.choices = ChoicesService(self.choice_store, self.owner_store, Choice("demo", "demo"))
        self.tokens = TokensService(self.token_store, self.owner_store, self.clock)

    async def owner(self, subject: str = "alice") -> str:
        return (await self.owners.resolve("https://issuer.example", subject)).id

    def tamper(self, key: SecretKey, sealed: Sealed | None) -> None:
        """Put another ciphertext into a secret's row, as a thief with the database could."""
        self.secret_store.secrets[key] = replace(self.secret_store.secrets[key], sealed=sealed)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def stranger() -> str:
    """The id of nobody."""
    return new_id("own")
