"""An owner who entered another key: their sandbox is handed over to it, or deleted for a new one.

The sandbox of the account before is never forgotten. It goes only when its owner launches a skill,
and only while nobody uses it.
"""

from dataclasses import dataclass

from common.clock import Clock

from sandbox_manager.model.account import place, placed, plain
from sandbox_manager.model.provided import OWNER_LABEL
from sandbox_manager.model.sandbox import RUNNABLE, Sandbox
from sandbox_manager.ports.provider import SandboxProvider
from sandbox_manager.service.accounts import OwnAccounts
from sandbox_manager.service.configuring import OwnerFacts
from sandbox_manager.service.desk import Desk
from sandbox_manager.service.removing import Removal


@dataclass(frozen=True)
class Moving:
    own: OwnAccounts
    provider: SandboxProvider
    removal: Removal
    clock: Clock

    async def run(self, desk: Desk, sandbox: Sandbox, facts: OwnerFacts) -> bool:
        """Whether something changed, so that the launch plans again. Raises SandboxInUseError or
        SandboxBusyError.
        """
        if sandbox.state not in RUNNABLE or sandbox.account_stamp == facts.account_stamp:
            return False
        account = await desk.persistently(lambda: self.own.current(desk.owner_id, facts))
        stamp = facts.account_stamp
        if await desk.persistently(lambda: self._is_there(sandbox, account)):
            await desk.change_sandbox(lambda record: _handed_over(record, sandbox, account, stamp))
            return True
        await desk.notice(
            "Your sandbox is in another Daytona account than your key now opens: it is deleted"
            " there, with its files, and a new one is made."
        )
        await desk.change_sandbox(
            lambda record: (
                record.deleting(self.clock()) if record.create_id == sandbox.create_id else None
            )
        )
        await desk.persistently(lambda: self.removal.run(desk.owner_id))
        return True

    async def _is_there(self, sandbox: Sandbox, account: str) -> bool:
        """Whether the account opened now is the one that the sandbox is in, by another key."""
        known = sandbox.provider_id or ""
        if place(known)[0] == account:
            return True
        found = await self.provider.find(placed(account, plain(known)))
        return found is not None and found.labels.get(OWNER_LABEL) == sandbox.owner_id


def _handed_over(record: Sandbox, seen: Sandbox, account: str, stamp: str) -> Sandbox | None:
    if record.create_id != seen.create_id:
        return None
    return record.with_changes(
        account=account,
        account_stamp=stamp,
        provider_id=placed(account, plain(record.provider_id or "")),
        provider_name=placed(account, plain(record.provider_name or "")),
    )
