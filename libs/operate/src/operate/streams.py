"""Snapshots of JetStream streams, as the server makes and takes them, with their consumers.

The server sends a snapshot in chunks and waits for an answer to those that ask for one; a restore
is the same the other way round. See `$JS.API.STREAM.SNAPSHOT` and `.RESTORE` of the JetStream API.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from operate.errors import DamagedError, OccupiedError, OperateError

_API = "$JS.API.STREAM"
_CHUNK = 128 * 1024
_ANSWER_S = 30
_WAIT_S = 60
_BATCH = 500

Answer = dict[str, Any]


async def stream_names(connection: Client) -> list[str]:
    streams = await connection.jetstream().streams_info()
    return sorted(str(stream.config.name) for stream in streams)


async def save(connection: Client, stream: str, folder: Path) -> None:
    """Write the stream's snapshot and what the server says of it."""
    inbox = connection.new_inbox()
    subscription = await connection.subscribe(inbox)
    try:
        asked = {"deliver_subject": inbox, "no_consumers": False, "chunk_size": _CHUNK}
        told = await _ask(connection, f"{_API}.SNAPSHOT.{stream}", asked)
        with (folder / f"{stream}.snapshot").open("wb") as file:
            while True:
                message = await subscription.next_msg(timeout=_WAIT_S)
                if not message.data:
                    _check_end(stream, message.headers)
                    break
                file.write(message.data)
                if message.reply:
                    await connection.publish(message.reply, b"")
    except NatsError as exc:
        raise OperateError(f"the snapshot of {stream} broke off: {exc}") from exc
    finally:
        await subscription.unsubscribe()
    kept = {"config": told["config"], "state": told["state"]}
    (folder / f"{stream}.json").write_text(json.dumps(kept, indent=1))


async def load(connection: Client, stream: str, folder: Path) -> None:
    """Make the stream anew from its snapshot. Raises OccupiedError when there is one already."""
    kept = json.loads((folder / f"{stream}.json").read_text())
    told = await _ask(connection, f"{_API}.RESTORE.{stream}", kept)
    subject = told["deliver_subject"]
    try:
        async for chunk in _chunks(folder / f"{stream}.snapshot"):
            answer = await connection.request(subject, chunk, timeout=_ANSWER_S)
            _refused(stream, answer.data)
        ended = await connection.request(subject, b"", timeout=_ANSWER_S)
    except NatsError as exc:
        raise OperateError(f"the restore of {stream} broke off: {exc}") from exc
    _refused(stream, ended.data)


async def delete(connection: Client, stream: str) -> None:
    await _ask(connection, f"{_API}.DELETE.{stream}", {})


async def message_ids(connection: Client, stream: str, since: datetime) -> set[str]:
    """The `Nats-Msg-Id` of every message that the stream holds from then on."""
    config = ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_TIME,
        opt_start_time=since,
        ack_policy=AckPolicy.NONE,
        inactive_threshold=30,
    )
    subscription = await connection.jetstream().pull_subscribe(">", stream=stream, config=config)
    found: set[str] = set()
    try:
        pending = (await subscription.consumer_info()).num_pending or 0
        while pending > 0:
            messages = await subscription.fetch(min(pending, _BATCH), timeout=_WAIT_S)
            found |= {(message.headers or {}).get("Nats-Msg-Id", "") for message in messages}
            pending -= len(messages)
    finally:
        await subscription.unsubscribe()
    return found


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk


async def _ask(connection: Client, subject: str, body: Mapping[str, Any]) -> Answer:
    try:
        reply = await connection.request(subject, json.dumps(body).encode(), timeout=_ANSWER_S)
    except NatsError as exc:
        raise OperateError(f"{subject}: {exc}") from exc
    return _refused(subject, reply.data)


def _refused(what: str, data: bytes) -> Answer:
    told: Answer = json.loads(data) if data else {}
    if error := told.get("error"):
        reason = f"{what}: {error.get('description')}"
        raise (OccupiedError if "already" in reason else OperateError)(reason)
    return told


def _check_end(stream: str, headers: Mapping[str, str] | None) -> None:
    """The last message is empty; a status in it is why the server ended early."""
    status = (headers or {}).get("Status", "")
    if status and status != "204":
        raise DamagedError(f"the server ended the snapshot of {stream}: {headers}")
