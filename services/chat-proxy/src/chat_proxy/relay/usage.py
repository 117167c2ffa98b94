"""Tokens used, read from what the provider says at the end of an answer."""

import json
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from common.mongo import Collection
from pymongo import ASCENDING, IndexModel
from pymongo.errors import PyMongoError

from chat_proxy.relay.access import Target

logger = logging.getLogger(__name__)

INDEXES = (IndexModel([("owner_id", ASCENDING), ("day", ASCENDING)]),)

_TAIL = 16 * 1024
_TRIM = 64 * 1024
_WHOLE = 8 * 1024 * 1024
_BYTES_PER_TOKEN = 4


@dataclass(frozen=True)
class Tokens:
    """`is_estimated` where the provider did not say: an answer that was cut off, or a server that
    counts nothing.
    """

    input: int = 0
    output: int = 0
    is_estimated: bool = False

    @property
    def total(self) -> int:
        return self.input + self.output


class Meter:
    """Watches an answer pass; keeps its end only, since that is where usage stands."""

    def __init__(self, *, request_bytes: int, is_stream: bool) -> None:
        self._request_bytes = request_bytes
        self._is_stream = is_stream
        self._end = bytearray()
        self._events = 0
        self._bytes = 0

    def feed(self, chunk: bytes) -> None:
        self._bytes += len(chunk)
        self._end += chunk
        if self._is_stream:
            self._events += chunk.count(b"data:")
            if len(self._end) > _TRIM:
                del self._end[:-_TAIL]
        elif len(self._end) > _WHOLE:
            self._end.clear()

    def tokens(self) -> Tokens:
        """What the provider counted, or an estimate."""
        said = self._said()
        if said is not None:
            return said
        # A delta of a stream is some token; a whole answer is mostly its text.
        output = self._events if self._is_stream else self._bytes // _BYTES_PER_TOKEN
        return Tokens(self._request_bytes // _BYTES_PER_TOKEN, output, is_estimated=True)

    def _said(self) -> Tokens | None:
        if not self._is_stream:
            return _read(bytes(self._end))
        for line in reversed(bytes(self._end).splitlines()):
            if line.startswith(b"data:") and b'"usage"' in line:
                found = _read(line[5:])
                if found is not None:
                    return found
        return None


def _read(data: bytes) -> Tokens | None:
    try:
        body: Any = json.loads(data)
    except ValueError:
        return None
    usage = body.get("usage") if isinstance(body, dict) else None
    if not isinstance(usage, dict):
        return None
    given, made = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not isinstance(given, int) and not isinstance(made, int):
        return None
    return Tokens(_count(given), _count(made))


def _count(value: object) -> int:
    return max(value, 0) if isinstance(value, int) else 0


class UsageStore(Protocol):
    async def add(self, target: Target, tokens: Tokens, at: datetime) -> None: ...

    async def total(self, owner_id: str, at: datetime) -> int:
        """All tokens of that day, in UTC."""
        ...


class MongoUsage:
    """A document for each owner, day, provider and model."""

    def __init__(self, usage: Collection) -> None:
        self._usage = usage

    async def add(self, target: Target, tokens: Tokens, at: datetime) -> None:
        key = {
            "owner_id": target.owner_id,
            "day": day_of(at),
            "provider": target.provider.name,
            "model": target.model,
        }
        counted = {
            "calls": 1,
            "input_tokens": tokens.input,
            "output_tokens": tokens.output,
            "total_tokens": tokens.total,
            "estimated_tokens": tokens.total if tokens.is_estimated else 0,
        }
        try:
            await self._usage.update_one(
                {"_id": "|".join(key.values())},
                {"$inc": counted, "$set": {"updated_at": at}, "$setOnInsert": key},
                upsert=True,
            )
        except PyMongoError:
            logger.exception("usage was not recorded")

    async def total(self, owner_id: str, at: datetime) -> int:
        cursor = self._usage.find({"owner_id": owner_id, "day": day_of(at)}, {"total_tokens": 1})
        return sum([int(found["total_tokens"]) async for found in cursor])


def day_of(at: datetime) -> str:
    return at.date().isoformat()
