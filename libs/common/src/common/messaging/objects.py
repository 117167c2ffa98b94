"""Bodies too large for a message, by name in an Object Store bucket."""

from collections.abc import Callable, Coroutine
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError, ObjectNotFoundError
from nats.js.object_store import ObjectStore

from common.contracts.sandbox import TRANSFER_BUCKET
from common.errors import UnavailableError
from common.ids import new_id

P = ParamSpec("P")
ValueT = TypeVar("ValueT")


def _answered(
    call: Callable[P, Coroutine[Any, Any, ValueT]],
) -> Callable[P, Coroutine[Any, Any, ValueT]]:
    @wraps(call)
    async def answered(*args: P.args, **kwargs: P.kwargs) -> ValueT:
        try:
            return await call(*args, **kwargs)
        except (NatsError, TimeoutError) as exc:
            message = "the message bus does not answer"
            raise UnavailableError(message) from exc

    return answered


class ObjectBucket:
    """One bucket; opened at first use, so that a service starts before JetStream is ready. Every
    method raises UnavailableError while no server leads the bucket.
    """

    def __init__(self, jetstream: JetStreamContext, bucket: str) -> None:
        self._jetstream = jetstream
        self._bucket = bucket
        self._opened: ObjectStore | None = None

    @_answered
    async def put(self, name: str, content: bytes) -> None:
        store = await self._store()
        await store.put(name, content)

    @_answered
    async def get(self, name: str) -> bytes | None:
        """The content, or None when there is none (any more)."""
        store = await self._store()
        try:
            result = await store.get(name)
        except (ObjectNotFoundError, NotFoundError):
            return None
        return result.data

    @_answered
    async def has(self, name: str) -> bool:
        store = await self._store()
        try:
            await store.get_info(name)
        except (ObjectNotFoundError, NotFoundError):
            return False
        return True

    @_answered
    async def names_before(self, time: datetime) -> list[str]:
        """The names of objects written before `time`."""
        store = await self._store()
        try:
            objects = await store.list(ignore_deletes=True)
        except NotFoundError:
            return []
        return [
            found.name
            for found in objects
            if not found.deleted and found.mtime and datetime.fromisoformat(found.mtime) < time
        ]

    @_answered
    async def delete(self, name: str) -> None:
        """Delete; an object that is gone is not an error."""
        store = await self._store()
        try:
            await store.delete(name)
        except (ObjectNotFoundError, NotFoundError):
            return

    async def _store(self) -> ObjectStore:
        if self._opened is None:
            self._opened = await self._jetstream.object_store(self._bucket)
        return self._opened


class TransferBucket:
    """Bodies on their way from one service to another: put once, taken once. What nobody takes is
    gone after some minutes.
    """

    def __init__(self, jetstream: JetStreamContext) -> None:
        self._bucket = ObjectBucket(jetstream, TRANSFER_BUCKET)

    async def put(self, content: bytes) -> str:
        """The name under which it is taken. Raises UnavailableError."""
        name = new_id("obj")
        await self._bucket.put(name, content)
        return name

    async def take(self, name: str) -> bytes | None:
        """The content, or None when there is none (any more). Raises UnavailableError."""
        content = await self._bucket.get(name)
        await self._bucket.delete(name)
        return content
