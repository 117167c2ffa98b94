"""What an owner chose: provider, model, base URL."""

import asyncio

from keys.model.choice import Choice, chosen
from keys.ports import Choices, Owners
from keys.service.owners import require


class ChoicesService:
    """`default` stands for an owner who chose nothing."""

    def __init__(self, choices: Choices, owners: Owners, default: Choice) -> None:
        self._choices = choices
        self._owners = owners
        self._default = default

    async def get(self, owner_id: str) -> Choice:
        """Raises NotFoundError without the owner: nothing begins for one who was erased."""
        found, _ = await asyncio.gather(
            self._choices.get(owner_id), require(self._owners, owner_id)
        )
        return found or self._default

    async def put(
        self, owner_id: str, *, provider: str, model: str, base_url: str | None
    ) -> Choice:
        """Raises InvalidError for a choice that cannot work, NotFoundError without the owner."""
        choice = chosen(provider, model, base_url)
        await require(self._owners, owner_id)
        return await self._choices.put(owner_id, choice)
