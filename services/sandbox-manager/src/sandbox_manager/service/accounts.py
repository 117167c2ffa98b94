"""Which account an owner's sandboxes belong to, and the keys of owners' own accounts."""

from dataclasses import dataclass

from common.clock import Clock
from common.errors import NotFoundError

from sandbox_manager.errors import AccountRefusedError, RelayUnreachableError
from sandbox_manager.model.account import OPERATORS, Account, account_id
from sandbox_manager.ports.own import Sealer
from sandbox_manager.ports.services import Keys
from sandbox_manager.ports.stores import Accounts
from sandbox_manager.service.configuring import OwnerFacts

_FIELD = "account"


@dataclass(frozen=True)
class OwnAccounts:
    """`secret` keys the accounts' ids; `is_relay_public`: whether a sandbox that is not the
    operator's can reach the model relay.
    """

    keys: Keys
    accounts: Accounts
    sealer: Sealer
    secret: bytes
    is_relay_public: bool
    clock: Clock

    async def current(self, owner_id: str, facts: OwnerFacts) -> str:
        """The owner's own account where they entered a key, kept for as long as a sandbox may be
        in it; otherwise the operator's. Raises RelayUnreachableError.
        """
        if facts.entered.account is None:
            return OPERATORS
        try:
            key = await self.keys.reveal_account(owner_id)
        except NotFoundError:
            # Deleted since it was listed.
            return OPERATORS
        if not self.is_relay_public:
            message = (
                "sandboxes in your own Daytona account cannot reach this platform's model relay;"
                " the operator has to give it a public address (RELAY_PUBLIC_URL). Delete your"
                " DAYTONA_API_KEY to use the platform's sandboxes"
            )
            raise RelayUnreachableError(message)
        account = Account(
            id=account_id(self.secret, key),
            owner_id=owner_id,
            sealed_key=self.sealer.seal(key, owner_id=owner_id, field=_FIELD),
            used_at=self.clock(),
        )
        await self.accounts.put(account)
        return account.id


@dataclass(frozen=True)
class AccountKeys:
    """Opens the keys of accounts, to call the provider with."""

    accounts: Accounts
    sealer: Sealer

    async def key_of(self, account: str) -> str:
        """Raises AccountRefusedError."""
        known = await self.accounts.get(account)
        if known is None:
            message = "the key of this sandbox's Daytona account is not known any more"
            raise AccountRefusedError(message)
        return self.sealer.open(known.sealed_key, owner_id=known.owner_id, field=_FIELD)
