"""Events of other services -> use cases."""

from collections.abc import Awaitable, Callable

from common.contracts.events import OwnerErased

from chat_proxy.service.erasing import Erasing


def owner_erased(erasing: Erasing) -> Callable[[OwnerErased], Awaitable[None]]:
    async def handle(event: OwnerErased) -> None:
        await erasing.erase(event.owner_id)

    return handle
