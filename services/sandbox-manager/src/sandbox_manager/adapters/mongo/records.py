"""Storing what a pure function makes of a record, if nobody wrote in between."""

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar, cast

from common.contracts.events import OutgoingEvent
from common.errors import UnavailableError
from common.mongo import Collection, Document
from common.outbox import waiting
from pymongo.errors import DuplicateKeyError, PyMongoError

from sandbox_manager.errors import StoreUnavailableError
from sandbox_manager.model.record import Record

RecordT = TypeVar("RecordT", bound=Record)

NOTHING_WAITS: Document = {"outbox.0": {"$exists": False}}
"""Holds for a document that may be removed: all its events are sent."""

_TRIES = 60
_LONGEST_PAUSE_S = 0.05


CallT = TypeVar("CallT", bound=Callable[..., Awaitable[Any]])


def store_errors(call: CallT) -> CallT:
    """Raise the store's outages as ours; the driver itself has tried a second time before."""

    @functools.wraps(call)
    async def mapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return await call(*args, **kwargs)
        except DuplicateKeyError:
            raise
        except PyMongoError as exc:
            message = "the store does not answer"
            raise StoreUnavailableError(message) from exc

    return cast(CallT, mapped)


class Versioned(Generic[RecordT]):
    """Compare-and-set on the record's `revision`, which every write raises by one."""

    def __init__(
        self, collection: Collection, to_entity: Callable[[Document], RecordT], kind: str
    ) -> None:
        self._collection = collection
        self._to_entity = to_entity
        self._kind = kind

    async def apply(
        self,
        record: RecordT | None,
        read: Callable[[], Any],
        change: Callable[[RecordT], RecordT | None],
        events: Sequence[OutgoingEvent],
    ) -> RecordT | None:
        for attempt in range(_TRIES):
            current = record if record is not None and attempt == 0 else await read()
            if current is None:
                return None
            changed = change(current)
            if changed is None:
                return None
            stored = await self._store(current, changed, events)
            if stored is not None:
                return stored
            await asyncio.sleep(random.uniform(0, min(0.001 * 2**attempt, _LONGEST_PAUSE_S)))
        raise UnavailableError(f"the {self._kind} is written too often right now")

    async def _store(
        self, current: RecordT, changed: RecordT, events: Sequence[OutgoingEvent]
    ) -> RecordT | None:
        document = to_document(changed)
        identity = document.pop("_id")
        revision = int(document.pop("revision")) if "revision" in document else 0
        update: Document = {"$set": {**document, "revision": revision + 1}}
        if events:
            update |= waiting(*events)
        done = await self._collection.update_one(
            {"_id": identity, "revision": to_document(current).get("revision", 0)}, update
        )
        if done.modified_count == 0:
            return None
        return changed.model_copy(update={"revision": revision + 1})


def to_document(record: Record) -> Document:
    """The record as stored; its own name for its identity becomes `_id`."""
    document = record.model_dump(mode="python")
    identity = "owner_id" if "id" not in document else "id"
    return {"_id": document.pop(identity), **document}
