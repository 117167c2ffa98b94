"""The JetStream streams and buckets, created where they are missing.

All use file storage: on SIGKILL of nats-server it keeps what was acknowledged, memory storage
keeps nothing.
"""

from datetime import timedelta

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

EVENTS_STREAM = "EVENTS"
JOURNAL_STREAM = "JOURNAL"
TRANSFER_BUCKET = "transfer"
TRANSFER_TTL = timedelta(minutes=10)

_STREAM_NAME_IN_USE = 10058


def stream_configs(replicas: int) -> tuple[StreamConfig, ...]:
    """EVENTS keeps what other teams read for 7 days, JOURNAL what a viewer resumes from for 24
    hours.
    """
    return (
        StreamConfig(
            name=EVENTS_STREAM,
            subjects=["evt.>"],
            storage=StorageType.FILE,
            retention=RetentionPolicy.LIMITS,
            discard=DiscardPolicy.OLD,
            max_age=timedelta(days=7).total_seconds(),
            duplicate_window=timedelta(minutes=10).total_seconds(),
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
    """Create the streams that are missing; one that exists is brought to today's limits."""
    for config in stream_configs(replicas):
        try:
            await jetstream.add_stream(config)
        except BadRequestError as exc:
            if exc.err_code != _STREAM_NAME_IN_USE:
                raise
            await jetstream.update_stream(config)


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
