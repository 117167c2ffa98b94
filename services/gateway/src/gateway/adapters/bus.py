"""The other services and the journals, over NATS.

The gateway answers HTTP before NATS is there: until then every call says so.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from common.contracts.base import ReplyT, RequestT, Rpc
from common.contracts.events import (
    OWNER_ERASED,
    SANDBOX_STOPPED,
    OwnerErased,
    SandboxChanged,
)
from common.errors import UnavailableError
from common.messaging import connection as bus
from common.messaging.events import hear
from common.messaging.journal import Journal
from common.messaging.objects import TransferBucket
from common.messaging.rpc import RpcClient
from common.messaging.wire import open_wire

from gateway.ports import OnBody, Subscription


@dataclass(frozen=True)
class _Connected:
    rpc: RpcClient
    journal: Journal
    transfer: TransferBucket
    ping: Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Heard:
    """What other services tell everybody: that an owner is erased; that an owner's sandbox was
    stopped, and why.
    """

    erased: Callable[[str], None]
    stopped: Callable[[str, str], None]


class Bus:
    """`Services`, `Journals` and `Bodies` on one connection."""

    def __init__(self) -> None:
        self._connected: _Connected | None = None

    async def hold(self, url: str, heard: Heard, *, ca_file: Path | None = None) -> None:
        """Connect, waiting for a server that is not up yet, and stay so until cancelled."""
        connection = await bus.connect(url, "gateway", ca_file=ca_file)
        jetstream = connection.jetstream()

        async def on_erased(data: OwnerErased) -> None:
            heard.erased(data.owner_id)

        async def on_stopped(data: SandboxChanged) -> None:
            heard.stopped(data.owner_id, data.reason)

        await hear(connection, OWNER_ERASED, on_erased)
        await hear(connection, SANDBOX_STOPPED, on_stopped)
        try:
            async with open_wire(url, "gateway", ca_file=ca_file) as wire:
                self._connected = _Connected(
                    rpc=RpcClient(connection),
                    journal=Journal(wire, jetstream),
                    transfer=TransferBucket(jetstream),
                    ping=partial(bus.ping, connection),
                )
                await asyncio.Event().wait()
        finally:
            await connection.close()

    async def call(
        self, rpc: Rpc[RequestT, ReplyT], request: RequestT, *, within: timedelta | None = None
    ) -> ReplyT:
        return await self._there.rpc.call(rpc, request, within=within)

    async def put_body(self, content: bytes) -> str:
        return await self._there.transfer.put(content)

    async def take_body(self, name: str) -> bytes | None:
        return await self._there.transfer.take(name)

    async def ping(self, service: str) -> None:
        await self._there.rpc.ping(service)

    async def ping_bus(self) -> None:
        """Raise an error unless NATS answers."""
        await self._there.ping()

    @property
    def interruptions(self) -> int:
        return self._connected.journal.interruptions if self._connected else 0

    async def follow(self, subject: str, on_body: OnBody) -> Subscription:
        return await self._there.journal.follow(subject, on_body)

    @property
    def _there(self) -> _Connected:
        if self._connected is None:
            message = "the message bus is not there yet"
            raise UnavailableError(message)
        return self._connected
