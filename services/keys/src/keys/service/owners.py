"""Who an identity is here, and how somebody is forgotten."""

from dataclasses import dataclass
from datetime import timedelta

from common.clock import Clock
from common.contracts.events import OWNER_CREATED, OWNER_ERASED, OwnerCreated, OwnerErased
from common.errors import NotFoundError
from common.ids import new_id

from keys.model.owner import Identity, Owner
from keys.ports import Audit, Choices, DataKeys, Owners, Secrets, Tokens

PURGE_AFTER = timedelta(hours=1)


@dataclass(frozen=True)
class Stores:
    """Everything kept of an owner."""

    owners: Owners
    data_keys: DataKeys
    secrets: Secrets
    choices: Choices
    tokens: Tokens
    audit: Audit


class OwnersService:
    def __init__(self, stores: Stores, clock: Clock) -> None:
        self._stores = stores
        self._clock = clock

    async def resolve(self, issuer: str, subject: str) -> Owner:
        """The identity's owner, minted at its first call; any number of callers get the same."""
        now = self._clock()
        owner = Owner(new_id("own"), created_at=now)
        event = OWNER_CREATED.of(OwnerCreated(owner_id=owner.id), entity_id=owner.id, at=now)
        return await self._stores.owners.resolve(Identity(issuer, subject), mint=owner, emit=event)

    async def erase(self, owner_id: str) -> dict[str, int]:
        """Forget the person and destroy the key of everything sealed; what was there, by store.

        Erasing again finishes what a crash left, and counts what it still found.
        """
        stores, now = self._stores, self._clock()
        event = OWNER_ERASED.of(OwnerErased(owner_id=owner_id), entity_id=owner_id, at=now)
        # The owner first: from then on nothing new is accepted.
        owners = await stores.owners.forget(owner_id, at=now, emit=event)
        return {
            "owners": owners,
            "data_keys": await stores.data_keys.shred(owner_id),
            "secrets": await stores.secrets.erase(owner_id),
            "settings": await stores.choices.erase(owner_id),
            "api_tokens": await stores.tokens.erase(owner_id),
            "audit": await stores.audit.purge(owner_id),
        }

    async def purge(self) -> int:
        """Delete what is left of owners erased some time ago, their events having gone out."""
        forgotten = await self._stores.owners.forgotten(before=self._clock() - PURGE_AFTER)
        return sum([await self._purge(owner_id) for owner_id in forgotten])

    async def _purge(self, owner_id: str) -> int:
        stores = self._stores
        await stores.choices.erase(owner_id)
        await stores.tokens.erase(owner_id)
        await stores.audit.purge(owner_id)
        if await stores.secrets.purge(owner_id):
            return 0
        await stores.data_keys.delete(owner_id)
        await stores.owners.delete(owner_id)
        return 1


async def require(owners: Owners, owner_id: str) -> None:
    """Raises NotFoundError for an owner that never was or was erased."""
    if not await owners.exists(owner_id):
        message = "there is no such owner"
        raise NotFoundError(message)
