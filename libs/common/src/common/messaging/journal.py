"""The live side of journals: entries on `journal.>` over core NATS, captured by the JOURNAL
stream.

An entry is published without waiting for an acknowledgement: truth is in MongoDB, the stream
carries. A message holds one or more entries as JSON lines, so that what arrived together travels
together.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from common.errors import UnavailableError
from common.messaging.streams import JOURNAL_STREAM
from common.messaging.wire import Wire, WireError

_FETCH_S = 5.0
_BATCH = 500
_AWAY = "the message bus does not answer"


class Following:
    """A journal that is followed live, until it is unsubscribed."""

    def __init__(self, wire: Wire, number: bytes) -> None:
        self._wire = wire
        self._number = number

    def unsubscribe(self) -> None:
        self._wire.unsubscribe(self._number)


class Journal:
    """Writes entries, follows them, and reads back what the stream captured."""

    def __init__(self, wire: Wire, jetstream: JetStreamContext) -> None:
        self._wire = wire
        self._jetstream = jetstream

    def append(self, subject: str, lines: Sequence[bytes]) -> bool:
        """Publish entries, each already one line of JSON, as one message; False when the bus takes
        them more slowly than that, and `room` should be waited for. Raises UnavailableError when
        no more can be kept.
        """
        body = lines[0] if len(lines) == 1 else b"\n".join(lines)
        try:
            return self._wire.publish(subject.encode(), body)
        except WireError as exc:
            raise UnavailableError(_AWAY) from exc

    async def room(self) -> None:
        await self._wire.room()

    async def flush(self) -> None:
        """Wait until the server has everything appended before. Raises UnavailableError."""
        try:
            await self._wire.flush()
        except WireError as exc:
            raise UnavailableError(_AWAY) from exc

    @property
    def interruptions(self) -> int:
        """How often the connection was lost: what was live meanwhile was missed."""
        return self._wire.interruptions

    async def follow(self, subject: str, on_body: Callable[[bytes], None]) -> Following:
        """Call back with each message, a line for each entry, from now on; the caller
        unsubscribes. Raises UnavailableError.
        """
        following = Following(self._wire, self._wire.subscribe(subject.encode(), on_body))
        try:
            await self.flush()
        except BaseException:
            following.unsubscribe()
            raise
        return following

    async def last(self, subject: str) -> list[bytes]:
        """The entries of the last message the stream holds for `subject`; empty when it holds
        none.
        """
        try:
            message = await self._jetstream.get_last_msg(JOURNAL_STREAM, subject, direct=True)
        except NotFoundError:
            return []
        return (message.data or b"").split(b"\n")

    async def forget(self, subject: str) -> None:
        """Remove what the stream holds for `subject`. Raises UnavailableError."""
        try:
            await self._jetstream.purge_stream(JOURNAL_STREAM, subject=subject)
        except (NatsError, TimeoutError) as exc:
            raise UnavailableError(_AWAY) from exc

    async def captured(
        self, subject: str, *, since: datetime | None = None
    ) -> AsyncIterator[bytes]:
        """Every entry the stream holds for `subject` at this moment, oldest first; with `since`
        only what was published from then on. Raises UnavailableError rather than end too early.
        """
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_TIME if since else DeliverPolicy.ALL,
            opt_start_time=since,
            ack_policy=AckPolicy.NONE,
            inactive_threshold=30,
        )
        try:
            async for message in self._messages(subject, config):
                for line in message.data.split(b"\n"):
                    yield line
        except (NatsError, TimeoutError) as exc:
            raise UnavailableError(_AWAY) from exc

    async def _messages(self, subject: str, config: ConsumerConfig) -> AsyncIterator[Msg]:
        subscription = await self._jetstream.pull_subscribe(
            subject, stream=JOURNAL_STREAM, config=config
        )
        try:
            pending = (await subscription.consumer_info()).num_pending or 0
            while pending > 0:
                messages = await subscription.fetch(min(pending, _BATCH), timeout=_FETCH_S)
                for message in messages:
                    yield message
                pending -= len(messages)
        finally:
            await subscription.unsubscribe()
