"""Follow a journal over server-sent events and go on by number after every break."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

import httpx
from httpx_sse import ServerSentEvent, aconnect_sse

from tryskills.errors import ApiError, UnreachableError
from tryskills.models import Entry

logger = logging.getLogger(__name__)

QUIET_S = 60.0
TRIES = 8
LONGEST_WAIT_S = 5.0
PASSING = {"slow_viewer", "unavailable", "deadline_exceeded"}
"""Codes with which a stream ends early and can be taken up again."""


async def follow(
    http: httpx.AsyncClient, path: str, last: str, after: int
) -> AsyncGenerator[Entry, None]:
    """The entries after number `after`, each once and in order, up to one of type `last`.

    Raises ApiError when the platform refuses, UnreachableError when it stays away.
    """
    failures = 0
    while failures < TRIES:
        try:
            async with aclosing(_connection(http, path, after)) as entries:
                async for entry in entries:
                    if entry.seq > after:
                        after, failures = entry.seq, 0
                        yield entry
                    if entry.type == last:
                        return
        except httpx.TransportError:
            logger.debug("the stream of %s broke after %s", path, after)
        except ApiError as error:
            if error.code not in PASSING:
                raise
        failures += 1
        await asyncio.sleep(min(0.1 * 2**failures, LONGEST_WAIT_S))
    message = f"the stream of {path} ended before {last}"
    raise UnreachableError(message)


async def _connection(
    http: httpx.AsyncClient, path: str, after: int
) -> AsyncGenerator[Entry, None]:
    headers = {"Last-Event-ID": str(after)} if after else {}
    timeout = httpx.Timeout(10.0, read=QUIET_S)
    async with aconnect_sse(http, "GET", path, headers=headers, timeout=timeout) as source:
        await check(source.response)
        async for event in source.aiter_sse():
            # The server's word on when to come back has no data, an announcement no number.
            if event.data and (entry := _entry(event)):
                yield entry


def _entry(event: ServerSentEvent) -> Entry | None:
    data = json.loads(event.data)
    if event.event == "error":
        raise ApiError(int(data.get("status") or 500), data)
    return Entry(int(data["seq"]), event.event, data) if "seq" in data else None


async def check(response: httpx.Response) -> None:
    """Raise ApiError unless the answer is a good one."""
    if response.is_success:
        return
    try:
        problem = json.loads(await response.aread())
    except ValueError:
        problem = None
    raise ApiError(response.status_code, problem if isinstance(problem, dict) else {})
