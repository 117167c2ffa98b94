"""What other services know, asked over the bus."""

from typing import Protocol

from common.contracts.base import ReplyT, RequestT, Rpc
from common.contracts.keys import GET_SETTINGS, REVEAL, GetSettings, OwnerSettings, Reveal
from common.contracts.sandbox import AUTHORIZE_RELAY, AuthorizeRelay, RelayGrant
from pydantic import SecretStr

from chat_proxy.relay.access import Purpose


class Services(Protocol):
    """The bus, as far as it is needed here."""

    async def call(self, rpc: Rpc[RequestT, ReplyT], request: RequestT) -> ReplyT: ...


class BusDirectory:
    def __init__(self, rpc: Services) -> None:
        self._rpc = rpc

    async def grant(self, token_sha256: str) -> RelayGrant:
        return await self._rpc.call(AUTHORIZE_RELAY, AuthorizeRelay(token_sha256=token_sha256))

    async def settings(self, owner_id: str) -> OwnerSettings:
        return await self._rpc.call(GET_SETTINGS, GetSettings(owner_id=owner_id))

    async def key(self, owner_id: str, name: str, *, purpose: Purpose) -> SecretStr:
        asked = Reveal(owner_id=owner_id, name=name, purpose=purpose)
        return (await self._rpc.call(REVEAL, asked)).value
