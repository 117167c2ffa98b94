"""Sandboxes in every account: the operator's, and those of owners with a key of their own.

An id names its account (`model/account.py`), and so decides who is called. A client is made when
an account is first used, and kept.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import Self

from common.errors import AppError
from common.preview import PreviewGuard
from daytona import AsyncSandbox

from sandbox_manager.adapters.daytona.provider import DaytonaProvider, open_daytona
from sandbox_manager.errors import AccountRefusedError
from sandbox_manager.model.account import OPERATORS, place, placed
from sandbox_manager.model.provided import ProvidedSandbox
from sandbox_manager.ports.provider import SandboxOrder, SandboxProvider
from sandbox_manager.ports.stores import Accounts

logger = logging.getLogger(__name__)

_REFUSED = (
    "Daytona does not accept your own key; enter another DAYTONA_API_KEY, or delete it to use the"
    " platform's sandboxes"
)

KeyOf = Callable[[str], Awaitable[str]]


class AccountsProvider(SandboxProvider):
    """Use it as a context: leaving it closes the clients it made."""

    def __init__(
        self,
        operators: DaytonaProvider,
        *,
        accounts: Accounts,
        key_of: KeyOf,
        api_url: str,
        guard: PreviewGuard,
    ) -> None:
        """`api_url`: where owners' own keys are good."""
        self._providers = {OPERATORS: operators}
        self._accounts = accounts
        self._key_of = key_of
        self._api_url = api_url
        self._guard = guard
        self._opening = asyncio.Lock()
        self._clients = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._clients.aclose()

    async def create(self, order: SandboxOrder) -> ProvidedSandbox:
        async with self._at(order.name) as (account, provider, name):
            return _placed(account, await provider.create(replace(order, name=name)))

    async def find(self, id_or_name: str) -> ProvidedSandbox | None:
        async with self._at(id_or_name) as (account, provider, plain):
            found = await provider.find(plain)
        return _placed(account, found) if found is not None else None

    async def list(self, labels: Mapping[str, str]) -> Sequence[ProvidedSandbox]:
        """Of all accounts; one that two keys open is listed once. An owner's account that does not
        answer is left out: a list proves nothing anyway.
        """
        own = [account.id for account in await self._accounts.all()]
        listed = {one.id: one for one in await self._providers[OPERATORS].list(labels)}
        found = await asyncio.gather(*(self._listed(account, labels) for account in own))
        for account, sandboxes in zip(own, found, strict=True):
            for sandbox in sandboxes:
                listed.setdefault(sandbox.id, _placed(account, sandbox))
        return list(listed.values())

    async def start(self, sandbox_id: str) -> None:
        async with self._at(sandbox_id) as (_, provider, plain):
            await provider.start(plain)

    async def stop(self, sandbox_id: str) -> None:
        async with self._at(sandbox_id) as (_, provider, plain):
            await provider.stop(plain)

    async def delete(self, sandbox_id: str) -> None:
        async with self._at(sandbox_id) as (_, provider, plain):
            await provider.delete(plain)

    async def refresh_activity(self, sandbox_id: str) -> None:
        async with self._at(sandbox_id) as (_, provider, plain):
            await provider.refresh_activity(plain)

    async def sign_preview(self, sandbox_id: str, port: int, ttl: timedelta) -> str:
        async with self._at(sandbox_id) as (_, provider, plain):
            return await provider.sign_preview(plain, port, ttl)

    async def sandbox(self, sandbox_id: str) -> AsyncSandbox:
        """The SDK's object for calls inside the sandbox."""
        async with self._at(sandbox_id) as (_, provider, plain):
            return await provider.sandbox(plain)

    @asynccontextmanager
    async def _at(self, name: str) -> AsyncIterator[tuple[str, DaytonaProvider, str]]:
        """The account that `name` is in, who serves it, and the name there."""
        account, plain = place(name)
        try:
            yield account, await self._in(account), plain
        except AccountRefusedError as exc:
            if account == OPERATORS:
                raise
            # A refusal of an own key is its owner's to mend.
            raise AccountRefusedError(_REFUSED) from exc

    async def _listed(self, account: str, labels: Mapping[str, str]) -> Sequence[ProvidedSandbox]:
        try:
            return await (await self._in(account)).list(labels)
        except AppError as exc:
            logger.warning("account %s is not listed: %s", account, exc.detail)
            return []

    async def _in(self, account: str) -> DaytonaProvider:
        async with self._opening:
            if account not in self._providers:
                key = await self._key_of(account)
                sdk = await self._clients.enter_async_context(open_daytona(self._api_url, key))
                self._providers[account] = DaytonaProvider(sdk, self._guard)
        return self._providers[account]


def _placed(account: str, sandbox: ProvidedSandbox) -> ProvidedSandbox:
    return replace(sandbox, id=placed(account, sandbox.id), name=placed(account, sandbox.name))
