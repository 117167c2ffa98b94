"""The connection to NATS: named, with an inbox prefix of its own, reconnecting for ever."""

import logging
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError

from common.metrics.table import BUS_CONNECTED, BUS_LOST

logger = logging.getLogger(__name__)

Connection = Client
"""The word for it where nats itself is not imported."""

INBOX = "_INBOX_"
"""What the reply subject of every request begins with."""

_RECONNECT_WAIT_S = 0.5
_PENDING_BYTES = 8 * 1024 * 1024
_PING_EVERY_S = 10
"""A server that vanished without a word is left after two of these, not after minutes."""


def inbox_prefix(service: str) -> str:
    """Where the replies to `service` arrive; permissions keep all others from reading there."""
    return f"{INBOX}{service}"


async def connect(url: str, service: str, *, ca_file: Path | None = None) -> Client:
    """Connect as `service` to one of the servers in `url`, separated by commas; waits for a server
    that is not up yet.
    """

    async def on_error(exc: Exception) -> None:
        logger.warning("NATS: %s", type(exc).__name__, extra={"reason": str(exc)})

    async def on_disconnect() -> None:
        BUS_LOST.add()
        logger.warning("NATS: disconnected")

    async def on_reconnect() -> None:
        logger.info("NATS: connected again")

    connection = await nats.connect(
        url.split(","),
        **_credentials(url),
        name=service,
        inbox_prefix=inbox_prefix(service).encode(),
        allow_reconnect=True,
        max_reconnect_attempts=-1,
        reconnect_time_wait=_RECONNECT_WAIT_S,
        pending_size=_PENDING_BYTES,
        tls=ssl.create_default_context(cafile=ca_file) if url.startswith("tls://") else None,
        ping_interval=_PING_EVERY_S,
        error_cb=on_error,
        disconnected_cb=on_disconnect,
        reconnected_cb=on_reconnect,
    )
    BUS_CONNECTED.watch(lambda: float(connection.is_connected))
    return connection


def _credentials(url: str) -> dict[str, Any]:
    """The user and password of the first server: those that the cluster announces carry none."""
    first = urlsplit(url.split(",", maxsplit=1)[0])
    if first.username is None or first.password is None:
        return {}
    return {"user": first.username, "password": first.password}


async def ping(connection: Client) -> None:
    """Raise `ConnectionError` unless the server answers within a second."""
    try:
        await connection.flush(timeout=1)
    except (NatsError, TimeoutError) as exc:
        message = "NATS does not answer"
        raise ConnectionError(message) from exc
