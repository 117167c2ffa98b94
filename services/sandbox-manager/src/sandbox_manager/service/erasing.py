"""A person who left leaves nothing here."""

import asyncio
from dataclasses import dataclass

from common.contracts.sandbox import SandboxState

from sandbox_manager.errors import SandboxBusyError
from sandbox_manager.ports.stores import Accounts, Acknowledgements, Launches, Sandboxes
from sandbox_manager.service.removing import Removal

_MOST = 100
# The provider takes its time, and what is deleted tells it in an event first.
_LOOKS, _LOOK_S = 30, 0.5


@dataclass(frozen=True)
class Erasing:
    sandboxes: Sandboxes
    launches: Launches
    acknowledgements: Acknowledgements
    accounts: Accounts
    removal: Removal

    async def begin(self, owner_id: str) -> tuple[dict[str, int], bool]:
        """Erase as far as is possible now: what there was by store, and whether all is gone."""
        has_sandbox = (await self.sandboxes.get(owner_id)).state is not SandboxState.ABSENT
        counts = {
            "sandboxes": int(has_sandbox),
            "launches": await self.launches.count(owner_id),
            "acknowledgements": await self.acknowledgements.count(owner_id),
        }
        for _ in range(_LOOKS):
            try:
                await self.erase(owner_id)
            except SandboxBusyError:
                await asyncio.sleep(_LOOK_S)
            else:
                return counts, True
        return counts, False

    async def erase(self, owner_id: str) -> None:
        """Delete the sandbox whatever runs in it, then the records; may be asked again.

        Raises SandboxBusyError while something is still under way: the event comes again.
        """
        running = [
            launch for launch in await self.launches.newest(owner_id, _MOST) if not launch.is_ended
        ]
        for launch in running:
            await self.launches.apply(launch.id, lambda record: record.cancel_requested())
        if running:
            message = "a launch is still being ended"
            raise SandboxBusyError(message)
        await self.sandboxes.apply(owner_id, lambda record: record.forced_out())
        if not await self.removal.run(owner_id):
            message = "the sandbox is not gone yet"
            raise SandboxBusyError(message)
        await self.acknowledgements.forget(owner_id)
        await self.accounts.forget(owner_id)
        is_gone = await self.launches.forget(owner_id) and await self.sandboxes.forget(owner_id)
        if not is_gone:
            message = "some records still wait for their events to be sent"
            raise SandboxBusyError(message)
