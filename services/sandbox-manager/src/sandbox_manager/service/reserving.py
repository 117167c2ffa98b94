"""A whole sandbox for one piece of work: no turn, no launch, nobody else meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from common.clock import Clock
from common.ids import new_id

from sandbox_manager.model.record import Right
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.ports.stores import Sandboxes

_TTL = timedelta(minutes=2)


@dataclass(frozen=True)
class Reserved:
    sandbox: Sandbox
    right: Right


@asynccontextmanager
async def reserved(
    sandboxes: Sandboxes,
    owner_id: str,
    clock: Clock,
    *,
    only_if: Callable[[Sandbox], bool] = lambda _: True,
) -> AsyncIterator[Reserved | None]:
    """None where `only_if` does not hold of the record. Raises SandboxInUseError while a turn
    runs, SandboxBusyError while something else is done to it.
    """
    right = Right(holder=new_id("rsv"), token=1)

    def take(sandbox: Sandbox) -> Sandbox | None:
        now = clock()
        is_wanted = only_if(sandbox)
        return sandbox.reserved(right, now=now, until=now + _TTL) if is_wanted else None

    sandbox = await sandboxes.apply(owner_id, take)
    if sandbox is None:
        yield None
        return
    try:
        yield Reserved(sandbox, right)
    finally:
        await asyncio.shield(sandboxes.apply(owner_id, lambda record: record.released(right)))
