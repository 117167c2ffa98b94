"""The MongoDB client, index declarations and numbered migrations."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pymongo
from opentelemetry import trace
from opentelemetry.instrumentation.pymongo import CommandTracer
from pymongo import AsyncMongoClient, IndexModel, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure, PyMongoError

logger = logging.getLogger(__name__)

Document = dict[str, Any]
Client = AsyncMongoClient[Document]
Collection = AsyncCollection[Document]
Database = AsyncDatabase[Document]
Migration = Callable[[Database], Awaitable[None]]

_OTHER_OPTIONS = frozenset({85, 86})
"""IndexOptionsConflict and IndexKeySpecsConflict, as MongoDB and the embedded store say it."""

_SELECTION_TIMEOUT_MS = 5_000
_ANSWER_TIMEOUT_MS = 15_000
"""An operation that is never answered is given up and tried again; claims last 30 seconds."""

_PREPARE_S = 3600
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 3.0


def open_client(uri: str) -> Client:
    """A client that reads times as UTC and acknowledges writes by the majority."""
    return AsyncMongoClient(
        uri,
        tz_aware=True,
        serverSelectionTimeoutMS=_SELECTION_TIMEOUT_MS,
        socketTimeoutMS=_ANSWER_TIMEOUT_MS,
        appname="tryskills",
        event_listeners=[CommandTracer(trace.get_tracer("tryskills"))],
    )


def database_of(client: Client, service: str) -> Database:
    """The service's own database: no service reads another's."""
    name = f"tryskills_{service.replace('-', '_')}"
    return client.get_database(name, write_concern=WriteConcern(w="majority"))


async def ping(client: Client) -> None:
    await client.admin.command("ping")


async def wait_until_up(client: Client) -> None:
    """Wait, with back-off and without end, until the store answers."""
    wait_s = _FIRST_WAIT_S
    while True:
        try:
            await ping(client)
        except PyMongoError as exc:
            logger.warning("waiting for MongoDB: %s", type(exc).__name__)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
        else:
            return


async def prepare(
    database: Database,
    indexes: Mapping[str, Sequence[IndexModel]],
    migrations: Sequence[Migration] = (),
) -> None:
    """Bring the store to what this version of a service needs: its documents, then its indexes,
    as a unique one may need documents that were put right.
    """
    with pymongo.timeout(_PREPARE_S):
        await migrate(database, migrations)
        await ensure_indexes(database, indexes)


async def ensure_indexes(database: Database, indexes: Mapping[str, Sequence[IndexModel]]) -> None:
    """Create what is missing; indexes that exist are left alone, but for how long they keep."""
    for name, models in indexes.items():
        try:
            await database[name].create_indexes(list(models))
        except OperationFailure as exc:
            if exc.code not in _OTHER_OPTIONS:
                raise
            await _keep_for(database, name, models)
            await database[name].create_indexes(list(models))


async def _keep_for(database: Database, name: str, models: Sequence[IndexModel]) -> None:
    for document in (model.document for model in models):
        if "expireAfterSeconds" in document:
            seconds = document["expireAfterSeconds"]
            kept = {"keyPattern": document["key"], "expireAfterSeconds": seconds}
            await database.command("collMod", name, index=kept)


async def migrate(database: Database, migrations: Sequence[Migration]) -> int:
    """Apply the migrations not applied yet, in order; return how many. A migration's number is its
    place, and the highest one applied stands in the collection `schema`.

    A migration may run twice, when two replicas start at once or one dies in the middle, and
    beside replicas of the version before: so each is idempotent and leaves what those can read.
    """
    state = await database["schema"].find_one({"_id": "version"})
    done = int(state["number"]) if state else 0
    if done > len(migrations):
        logger.warning("the store was migrated by a newer version", extra={"schema": done})
    for number, migration in enumerate(migrations[done:], start=done + 1):
        logger.info("migrating", extra={"schema": number, "migration": migration.__name__})
        await migration(database)
        await database["schema"].update_one(
            {"_id": "version"}, {"$max": {"number": number}}, upsert=True
        )
    return max(len(migrations) - done, 0)
