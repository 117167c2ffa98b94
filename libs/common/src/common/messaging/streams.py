"""The JetStream streams and buckets: made by one service, waited for by the others.

All use file storage: on SIGKILL of nats-server it keeps what was acknowledged, memory storage
keeps nothing.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta

from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import (
    DiscardPolicy,
    ObjectStoreConfig,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import BadRequestError, NotFoundError
from nats.js.object_store import ObjectStore

from common.contracts.events import DUPLICATE_WINDOW, EVERY_EVENT, RETENTION, STREAM
from common.contracts.sandbox import TRANSFER_BUCKET
from common.contracts.skills import BUNDLE_BUCKET

logger = logging.getLogger(__name__)

EVENTS_STREAM = STREAM
JOURNAL_STREAM = "JOURNAL"
BUCKETS: Mapping[str, timedelta | None] = {
    BUNDLE_BUCKET: None,
    TRANSFER_BUCKET: timedelta(minutes=10),
}
"""Every Object Store bucket with how long it keeps an object."""

_STREAM_NAME_IN_USE = 10058
_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 1.0


def durable_name(service: str, event_type: str) -> str:
    """The durable consumer with which `service` handles an event of that type."""
    return f"{service}-{event_type.replace('.', '_')}"


def stream_configs(replicas: int) -> tuple[StreamConfig, ...]:
    """EVENTS keeps what other teams read for 7 days, JOURNAL what a viewer resumes from for 24
    hours.
    """
    return (
        StreamConfig(
            name=EVENTS_STREAM,
            subjects=[EVERY_EVENT],
            storage=StorageType.FILE,
            retention=RetentionPolicy.LIMITS,
            discard=DiscardPolicy.OLD,
            max_age=RETENTION.total_seconds(),
            duplicate_window=DUPLICATE_WINDOW.total_seconds(),
            num_replicas=replicas,
            allow_direct=True,
        ),
        StreamConfig(
            name=JOURNAL_STREAM,
            subjects=["journal.>"],
            storage=StorageType.FILE,
            retention=RetentionPolicy.LIMITS,
            discard=DiscardPolicy.OLD,
            max_age=timedelta(hours=24).total_seconds(),
            max_bytes=8 * 1024**3,
            num_replicas=replicas,
            allow_direct=True,
        ),
    )


async def ensure_streams(jetstream: JetStreamContext, *, replicas: int = 1) -> None:
    """Create the streams and buckets that are missing; a stream that exists is brought to today's
    limits.
    """
    for bucket, ttl in BUCKETS.items():
        await ensure_bucket(jetstream, bucket, ttl=ttl, replicas=replicas)
    # The streams last: who waits for them finds the buckets too.
    for config in stream_configs(replicas):
        try:
            await jetstream.add_stream(config)
        except BadRequestError as exc:
            if exc.err_code != _STREAM_NAME_IN_USE:
                raise
            await jetstream.update_stream(config)


async def wait_for_streams(jetstream: JetStreamContext) -> None:
    """Wait, with back-off and without end, until somebody has created the streams."""
    wait_s = _FIRST_WAIT_S
    while True:
        try:
            for name in (EVENTS_STREAM, JOURNAL_STREAM):
                await jetstream.stream_info(name)
        except (NotFoundError, NatsError, TimeoutError) as exc:
            logger.info("waiting for the streams: %s", type(exc).__name__)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
        else:
            return


async def ensure_bucket(
    jetstream: JetStreamContext, bucket: str, *, ttl: timedelta | None = None, replicas: int = 1
) -> ObjectStore:
    """The Object Store bucket, created where it is missing."""
    try:
        return await jetstream.object_store(bucket)
    except NotFoundError:
        config = ObjectStoreConfig(
            bucket=bucket,
            storage=StorageType.FILE,
            replicas=replicas,
            ttl=ttl.total_seconds() if ttl else None,
        )
        return await jetstream.create_object_store(bucket, config)
