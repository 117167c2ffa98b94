"""The databases as files that `mongorestore` reads too: `<database>/<collection>.bson`, and the
indexes beside it in `.metadata.json`.

All collections are read in one snapshot where the store can (a replica set), so that they fit
together; one after another elsewhere.
"""

import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from bson import json_util
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import AsyncMongoClient, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import ConfigurationError, InvalidOperation, OperationFailure

from operate.errors import OccupiedError

logger = logging.getLogger(__name__)

PREFIX = "tryskills_"
_BATCH = 500
_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)

Client = AsyncMongoClient[dict[str, Any]]
Raw = AsyncCollection[RawBSONDocument]


async def database_names(client: Client) -> list[str]:
    return sorted(name for name in await client.list_database_names() if name.startswith(PREFIX))


async def save(client: Client, folder: Path) -> dict[str, int]:
    """Write every collection of ours; how many documents each had."""
    counts = {}
    async with _snapshot(client) as session:
        for database in await database_names(client):
            (folder / database).mkdir(parents=True, exist_ok=True)
            for name in sorted(await client[database].list_collection_names()):
                counts[f"{database}.{name}"] = await _save_one(
                    client, database, name, folder / database, session
                )
    return counts


async def load(client: Client, folder: Path) -> dict[str, int]:
    """Write back what `save` wrote. Raises OccupiedError where there are documents already."""
    counts = {}
    for path in _files(folder):
        collection = client[path.parent.name][path.stem]
        if await collection.find_one({}) is not None:
            raise OccupiedError(f"{path.parent.name}.{path.stem} holds documents already")
        counts[f"{path.parent.name}.{path.stem}"] = await _load_one(client, path)
    return counts


async def drop(client: Client) -> None:
    for name in await database_names(client):
        await client.drop_database(name)


async def _save_one(
    client: Client, database: str, name: str, folder: Path, session: AsyncClientSession | None
) -> int:
    collection = _raw(client, database, name)
    indexes = [dict(index) async for index in await client[database][name].list_indexes()]
    count = 0
    with (folder / f"{name}.bson").open("wb") as file:
        async for document in collection.find({}, session=session, batch_size=_BATCH):
            file.write(document.raw)
            count += 1
    metadata = {"collectionName": name, "type": "collection", "options": {}, "indexes": indexes}
    (folder / f"{name}.metadata.json").write_text(json_util.dumps(metadata))
    return count


async def _load_one(client: Client, path: Path) -> int:
    database, name, count = path.parent.name, path.stem, 0
    metadata = json.loads(path.with_suffix(".metadata.json").read_text())
    batch: list[RawBSONDocument] = []
    collection = _raw(client, database, name)
    for document in _documents(path):
        batch.append(document)
        if len(batch) == _BATCH:
            await collection.insert_many(batch)
            count, batch = count + len(batch), []
    if batch:
        await collection.insert_many(batch)
    models = [model for index in metadata["indexes"] if (model := _model(index))]
    if models:
        await client[database][name].create_indexes(models)
    return count + len(batch)


def _raw(client: Client, database: str, name: str) -> Raw:
    # The stubs do not know that the options change the type.
    return cast("Raw", client[database].get_collection(name, codec_options=_RAW))


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.bson"))


def _documents(path: Path) -> Iterator[RawBSONDocument]:
    with path.open("rb") as file:
        while head := file.read(4):
            yield RawBSONDocument(head + file.read(int.from_bytes(head, "little") - 4))


def _model(index: dict[str, Any]) -> IndexModel | None:
    """As it was made; the one on `_id` is always there."""
    kept = json_util.object_hook(index)
    keys = list(kept.pop("key").items())
    if [name for name, _ in keys] == ["_id"]:
        return None
    options = {name: value for name, value in kept.items() if name not in {"v", "ns"}}
    return IndexModel(keys, **options)


@asynccontextmanager
async def _snapshot(client: Client) -> AsyncIterator[AsyncClientSession | None]:
    if not await _can_snapshot(client):
        yield None
        return
    async with client.start_session(snapshot=True) as session:
        yield session


async def _can_snapshot(client: Client) -> bool:
    try:
        async with client.start_session(snapshot=True) as session:
            for database in await database_names(client):
                await client[database]["schema"].find_one({}, session=session)
    except (ConfigurationError, InvalidOperation, OperationFailure) as exc:
        logger.warning("collections are read one after another: %s", type(exc).__name__)
        return False
    return True
