"""Other services, and the bus."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from common.contracts.keys import OwnerSettings
from common.contracts.sandbox import LaunchEntry
from common.contracts.skills import ResolvedSkill

from sandbox_manager.model.account import AccountKey
from sandbox_manager.model.variables import StoredVariable

RevealPurpose = Literal["skill_variable", "redaction"]


class Skills(Protocol):
    """The resolver."""

    async def resolve(self, ref: str) -> ResolvedSkill: ...

    async def get(self, digest: str) -> ResolvedSkill: ...

    async def bundle(self, digest: str) -> bytes:
        """An uncompressed tar of the skill's files, already checked against `digest`."""
        ...


@dataclass(frozen=True)
class Entered:
    """What an owner entered: values for skills, and perhaps a key of their own account at the
    sandbox provider.
    """

    variables: tuple[StoredVariable, ...] = ()
    account: AccountKey | None = None


class Keys(Protocol):
    """What an owner chose and entered."""

    async def settings(self, owner_id: str) -> OwnerSettings: ...

    async def entered(self, owner_id: str) -> Entered: ...

    async def reveal(
        self, owner_id: str, variable: StoredVariable, purpose: RevealPurpose = "skill_variable"
    ) -> str:
        """The value; keys writes down that it was given out, and what for."""
        ...

    async def reveal_account(self, owner_id: str) -> str:
        """Raises NotFoundError."""
        ...


class Transfer(Protocol):
    """Bodies too large for a message."""

    async def put(self, content: bytes) -> str: ...

    async def take(self, name: str) -> bytes | None:
        """The body, which is deleted; None when there is none (any more)."""
        ...


class LaunchJournal(Protocol):
    async def publish(self, launch_id: str, entries: Sequence[LaunchEntry]) -> None:
        """Tell those who watch; the record already has the entries."""
        ...
