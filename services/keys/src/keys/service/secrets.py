"""Putting, listing, deleting and revealing secrets."""

import logging
from dataclasses import dataclass

from common.clock import Clock
from common.contracts.events import (
    SECRET_DELETED,
    SECRET_PUT,
    SECRET_REVEALED,
    Event,
    OutgoingEvent,
    SecretChanged,
    SecretRevealed,
)
from common.errors import ConflictError, ErrorCode, InvalidError, NotFoundError
from common.ids import new_id

from keys.errors import SealBrokenError
from keys.model.sealing import Sealed, new_key, seal, unseal
from keys.model.secret import (
    Reveal,
    Secret,
    SecretKey,
    associated,
    check_name,
    checked_value,
    shown_end,
)
from keys.ports import Audit, DataKeys, MasterKey, Owners, Secrets
from keys.service.owners import require

logger = logging.getLogger(__name__)

_ATTEMPTS = 8
SKILL_PURPOSES = frozenset({"skill_variable", "redaction"})
"""What a skill's variable is revealed for, and a platform's key is not."""


@dataclass(frozen=True)
class Vault:
    """Opens owners' data keys."""

    data_keys: DataKeys
    master: MasterKey

    async def key_of(self, owner_id: str) -> bytes:
        """The owner's data key, made at the first call."""
        wrapped = await self.data_keys.get(owner_id)
        if wrapped is None:
            fresh = await self.master.wrap(new_key(), owner_id=owner_id)
            wrapped = await self.data_keys.add(fresh)
        return await self.master.unwrap(wrapped)


class SecretsService:
    def __init__(
        self, *, secrets: Secrets, vault: Vault, owners: Owners, audit: Audit, clock: Clock
    ) -> None:
        self._secrets = secrets
        self._vault = vault
        self._owners = owners
        self._audit = audit
        self._clock = clock

    async def put(self, key: SecretKey, value: str, *, digest: str | None) -> Secret:
        """Seal the value as the secret's next version.

        Raises:
            InvalidError: the name or the value cannot be kept.
            NotFoundError: there is no such owner.
        """
        check_name(key)
        kept = checked_value(key, value)
        await require(self._owners, key.owner_id)
        data_key = await self._vault.key_of(key.owner_id)
        for _ in range(_ATTEMPTS):
            before = await self._secrets.get(key)
            version = before.version + 1 if before else 1
            bound = associated(key, version=version, digest=digest)
            secret = Secret(
                key=key,
                version=version,
                digest=digest,
                last_four=shown_end(kept),
                set_at=self._clock(),
                sealed=seal(data_key, kept.encode(), bound),
            )
            if await self._secrets.save(secret, emit=self._event(SECRET_PUT, secret)):
                return secret
        raise _contended(key)

    async def list(self, owner_id: str) -> list[Secret]:
        return await self._secrets.list(owner_id)

    async def delete(self, key: SecretKey) -> None:
        """Delete; a secret that is not set is not an error."""
        for _ in range(_ATTEMPTS):
            before = await self._secrets.get(key)
            if before is None or before.sealed is None:
                return
            gone = Secret(
                key=key,
                version=before.version + 1,
                digest=None,
                last_four="",
                set_at=self._clock(),
                sealed=None,
            )
            if await self._secrets.save(gone, emit=self._event(SECRET_DELETED, gone)):
                return
        raise _contended(key)

    async def reveal(self, key: SecretKey, *, purpose: str) -> tuple[str, int]:
        """The value and its version; nothing is given out before the audit holds its line.

        Raises:
            NotFoundError: it is not set.
        """
        if (purpose in SKILL_PURPOSES) != (key.skill is not None):
            message = f"{key.name} cannot be revealed for this purpose"
            raise InvalidError(message)
        secret = await self._secrets.get(key)
        if secret is None or secret.sealed is None:
            message = f"{key.name} is not set"
            raise NotFoundError(message, code=ErrorCode.SECRET_NOT_FOUND)
        value = await self._opened(secret, secret.sealed)
        await self._record(secret, purpose)
        return value.decode(), secret.version

    async def _opened(self, secret: Secret, sealed: Sealed) -> bytes:
        try:
            data_key = await self._vault.key_of(secret.key.owner_id)
            return unseal(data_key, sealed, secret.associated)
        except SealBrokenError:
            extra = {"owner_id": secret.key.owner_id, "secret": secret.key.name}
            logger.exception("a secret does not open", extra=extra)
            raise

    async def _record(self, secret: Secret, purpose: str) -> None:
        line = Reveal(new_id("aud"), self._clock(), secret.key, secret.version, purpose)
        data = SecretRevealed(
            owner_id=secret.key.owner_id,
            name=secret.key.name,
            skill=secret.key.skill,
            version=secret.version,
            purpose=purpose,
        )
        event = SECRET_REVEALED.of(data, entity_id=line.id, at=line.at)
        await self._audit.add(line, emit=event)

    def _event(self, kind: Event[SecretChanged], secret: Secret) -> OutgoingEvent:
        data = SecretChanged(
            owner_id=secret.key.owner_id,
            name=secret.key.name,
            skill=secret.key.skill,
            version=secret.version,
        )
        return kind.of(data, entity_id=secret.key.name, at=secret.set_at)


def _contended(key: SecretKey) -> ConflictError:
    return ConflictError(f"{key.name} is being changed by somebody else: try again")
