"""Erasing an owner everywhere, with counts.

First those who keep things under the owner's id, then keys, which forgets who that was and tells
it in an event: whoever did not answer, or was not done, does it then.
"""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from common.contracts.base import Erased
from common.contracts.chat import ERASE_CHATS, EraseChats
from common.contracts.keys import ERASE_OWNER, EraseOwner
from common.contracts.sandbox import ERASE_SANDBOX, OwnerRequest
from common.errors import AppError

from gateway.ports import Services

logger = logging.getLogger(__name__)

_WITHIN = timedelta(seconds=30)


@dataclass(frozen=True)
class Left:
    """`counts` by `service.store`."""

    counts: dict[str, int]
    pending: tuple[str, ...]


async def leave(services: Services, owner_id: str) -> Left:
    """Raises UnavailableError when keys does not answer: then ask again."""
    others = await asyncio.gather(
        _asked(
            "sandbox-manager",
            services.call(ERASE_SANDBOX, OwnerRequest(owner_id=owner_id), within=_WITHIN),
        ),
        _asked(
            "chat-proxy",
            services.call(ERASE_CHATS, EraseChats(owner_id=owner_id), within=_WITHIN),
        ),
    )
    erased = await services.call(ERASE_OWNER, EraseOwner(owner_id=owner_id))
    answers = [*others, ("keys", erased)]
    return Left(
        counts={
            f"{service}.{store}": count
            for service, answer in answers
            for store, count in answer.counts.items()
        },
        pending=tuple(service for service, answer in answers if not answer.is_done),
    )


async def _asked(service: str, asking: Coroutine[Any, Any, Erased]) -> tuple[str, Erased]:
    try:
        return service, await asking
    except AppError as exc:
        logger.warning("%s erases later: %s", service, exc.code)
        return service, Erased(counts={}, is_done=False)
