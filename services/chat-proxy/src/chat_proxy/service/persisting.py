"""Writes that must happen: tried again for as long as the store does not answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from common.errors import UnavailableError

logger = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")

_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0


async def persist(write: Callable[[], Awaitable[ResultT]]) -> ResultT:
    wait_s = _FIRST_WAIT_S
    while True:
        try:
            return await write()
        except UnavailableError as exc:
            logger.warning("the store does not answer, trying again: %s", exc.detail)
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
