"""The live side of journals: entries on `journal.>` over core NATS, captured by the JOURNAL
stream.

An entry is published without waiting for an acknowledgement: truth is in MongoDB, the stream
carries. A message holds one or more entries as JSON lines, so that what arrived together travels
together.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from common.messaging.streams import JOURNAL_STREAM

_FETCH_S = 1.0
_BATCH = 500


class Journal:
    """Writes entries, and reads back what the stream captured."""

    def __init__(self, connection: Client, jetstream: JetStreamContext) -> None:
        self._connection = connection
        self._jetstream = jetstream

    async def append(self, subject: str, lines: Sequence[bytes]) -> None:
        """Publish entries, each already one line of JSON, as one message."""
        await self._connection.publish(subject, b"\n".join(lines))

    async def flush(self) -> None:
        """Wait until the server has everything appended before."""
        await self._connection.flush()

    async def follow(
        self, subject: str, on_lines: Callable[[list[bytes]], Awaitable[None]]
    ) -> Subscription:
        """Call back with the entries of each message from now on; the caller unsubscribes.

        nats-py calls back in order and one at a time.
        """

        async def on_message(message: Msg) -> None:
            await on_lines(message.data.split(b"\n"))

        subscription = await self._connection.subscribe(subject, cb=on_message)
        await self._connection.flush()
        return subscription

    async def last(self, subject: str) -> list[bytes]:
        """The entries of the last message the stream holds for `subject`; empty when it holds
        none.
        """
        try:
            message = await self._jetstream.get_last_msg(JOURNAL_STREAM, subject, direct=True)
        except NotFoundError:
            return []
        return (message.data or b"").split(b"\n")

    async def captured(self, subject: str) -> AsyncIterator[bytes]:
        """Every entry the stream holds for `subject` at this moment, oldest first."""
        config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL, inactive_threshold=30)
        subscription = await self._jetstream.pull_subscribe(
            subject, stream=JOURNAL_STREAM, config=config
        )
        try:
            pending = (await subscription.consumer_info()).num_pending or 0
            while pending > 0:
                try:
                    messages = await subscription.fetch(min(pending, _BATCH), timeout=_FETCH_S)
                except NatsTimeoutError:
                    return
                for message in messages:
                    await message.ack()
                    for line in message.data.split(b"\n"):
                        yield line
                pending -= len(messages)
        finally:
            await subscription.unsubscribe()
