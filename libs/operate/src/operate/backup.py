"""One back-up of everything that is not a secret of the operator: streams, then databases.

Streams first: what is told after their snapshot is still in the `events` archive of the databases,
and a restore tells it again; the other way round an event could be there without its cause. Until
it is whole a back-up has no manifest, and nothing is restored without one.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from common.messaging.streams import EVENTS_STREAM
from nats.aio.client import Client as NatsClient

from operate import documents, events, streams
from operate.errors import DamagedError, OccupiedError, OperateError

FORMAT = 1
MANIFEST = "manifest.json"
OVERLAP = timedelta(minutes=1)
"""Events of so long before the snapshot are compared with the stream too."""

Say = Callable[[str], object]


async def save(nats: NatsClient, store: documents.Client, folder: Path, say: Say) -> None:
    """Write a back-up into `folder`, which must be empty or not there."""
    _make(folder)
    began = datetime.now(UTC)
    for stream in await streams.stream_names(nats):
        await streams.save(nats, stream, folder / "streams")
        say(f"stream {stream}")
    counts = await documents.save(store, folder / "mongodb")
    say(f"{sum(counts.values())} documents of {len(counts)} collections")
    manifest = {
        "format": FORMAT,
        "began": began.isoformat(),
        "ended": datetime.now(UTC).isoformat(),
        "documents": counts,
        "sha256": {name: _digest(folder / name) for name in _files(folder)},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))


def verified(folder: Path) -> dict[str, Any]:
    """The manifest, when every file is as it was written. Raises DamagedError."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as exc:
        raise DamagedError(f"{folder} has no readable manifest: it is no whole back-up") from exc
    if manifest.get("format") != FORMAT:
        raise DamagedError(f"{folder} is of another format")
    known = manifest["sha256"]
    if set(_files(folder)) != set(known):
        raise DamagedError(f"{folder} has other files than were written")
    for name, digest in known.items():
        if _digest(folder / name) != digest:
            raise DamagedError(f"{name} is not as it was written")
    return manifest


async def load(
    nats: NatsClient, store: documents.Client, folder: Path, say: Say, *, replace: bool
) -> None:
    """Put a back-up in the place of what is there; without `replace` only where nothing is. The
    services must be stopped.
    """
    manifest = verified(folder)
    names = sorted(path.stem for path in (folder / "streams").glob("*.json"))
    there = [*await streams.stream_names(nats), *await documents.database_names(store)]
    if there and not replace:
        raise OccupiedError(f"{', '.join(there)} are there; --replace deletes them first")
    for stream in await streams.stream_names(nats):
        await streams.delete(nats, stream)
    await documents.drop(store)
    counts = await documents.load(store, folder / "mongodb")
    if counts != manifest["documents"]:
        message = "other numbers of documents were written than were read"
        raise OperateError(message)
    say(f"{sum(counts.values())} documents of {len(counts)} collections")
    for stream in names:
        await streams.load(nats, stream, folder / "streams")
        say(f"stream {stream}")
    told = await _tell_again(nats, store, datetime.fromisoformat(manifest["began"]) - OVERLAP)
    say(f"{told} events told again")


async def _tell_again(nats: NatsClient, store: documents.Client, since: datetime) -> int:
    """Publish the archived events from then on that the stream does not hold."""
    told = 0
    held = await streams.message_ids(nats, EVENTS_STREAM, since)
    async for event in events.archived(store, events.Wanted(since)):
        if event["_id"] not in held:
            await events.tell(nats, event)
            told += 1
    return told


def _make(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise OccupiedError(f"{folder} is not empty")
    (folder / "streams").mkdir(parents=True)
    (folder / "mongodb").mkdir()


def _files(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            yield str(path.relative_to(folder))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
