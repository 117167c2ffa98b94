"""Publishing events and consuming them: at least once, doubles removed by id."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError
from opentelemetry.trace import SpanKind
from pydantic import ValidationError

from common.contracts.base import Message
from common.contracts.events import CONTENT_TYPE, DataT, Event, OutgoingEvent
from common.messaging.streams import EVENTS_STREAM, durable_name
from common.metrics.table import EVENTS_DELAY, EVENTS_HANDLED
from common.telemetry.tracing import TRACEPARENT, extract_context, span

logger = logging.getLogger(__name__)

_BATCH = 32
_FETCH_S = 5.0
_RETRY_S = 2.0
_LOOK_S = 0.5
_IN_PROCESS = 10158
_BEING_TOLD_S = (0.05, 0.2, 0.5)
"""Another replica publishes the very same event at this moment: a cluster refuses the second until
the first is stored, and acknowledges it then.
"""


class CloudEvent(Message):
    """The envelope as a consumer reads it."""

    id: str
    type: str
    source: str
    subject: str
    time: str
    data: dict[str, Any]


class EventPublisher:
    """Writes events to the EVENTS stream and waits for the acknowledgement."""

    def __init__(self, jetstream: JetStreamContext) -> None:
        self._jetstream = jetstream

    async def publish(self, event: OutgoingEvent) -> None:
        headers = {"Nats-Msg-Id": event.id, "content-type": CONTENT_TYPE}
        if TRACEPARENT in event.body:
            headers[TRACEPARENT] = event.body[TRACEPARENT]
        body = json.dumps(event.body).encode()
        for pause_s in (*_BEING_TOLD_S, None):
            try:
                await self._jetstream.publish(
                    event.subject, body, headers=headers, stream=EVENTS_STREAM
                )
                break
            except APIError as exc:
                if exc.err_code != _IN_PROCESS or pause_s is None:
                    raise
                await asyncio.sleep(pause_s)
        caused = datetime.fromisoformat(event.body["time"])
        delay = (datetime.now(UTC) - caused).total_seconds()
        EVENTS_DELAY.record(max(delay, 0.0), type=event.body["type"])


async def ensure_consumer(jetstream: JetStreamContext, event: Event[Any], *, durable: str) -> None:
    """Create the durable consumer of the service `durable` where it is missing: from then on no
    `event` is missed.
    """
    name = durable_name(durable, event.type)
    config = ConsumerConfig(
        name=name,
        durable_name=name,
        filter_subject=event.subject,
        ack_policy=AckPolicy.EXPLICIT,
        deliver_policy=DeliverPolicy.NEW,
        ack_wait=30,
    )
    await jetstream.add_consumer(EVENTS_STREAM, config)


async def _created(jetstream: JetStreamContext, consumer: str) -> None:
    while True:
        try:
            await jetstream.consumer_info(EVENTS_STREAM, consumer)
        except (NatsError, TimeoutError):
            await asyncio.sleep(_LOOK_S)
        else:
            return


async def consume(
    jetstream: JetStreamContext,
    event: Event[DataT],
    handler: Callable[[DataT], Awaitable[None]],
    *,
    durable: str,
) -> None:
    """Handle `event` for ever as the durable consumer of the service `durable`, shared by all its
    replicas; waits until somebody has created it.

    Malformed: terminated. Any failure of the handler: delivered again later. So a handler must be
    idempotent.
    """
    name = durable_name(durable, event.type)
    await _created(jetstream, name)
    subscription = await jetstream.pull_subscribe_bind(name, stream=EVENTS_STREAM)
    while True:
        try:
            messages = await subscription.fetch(_BATCH, timeout=_FETCH_S)
        except (TimeoutError, NatsTimeoutError):
            continue
        except NatsError as exc:
            # The server that led the consumer is gone, and another one leads it in a moment.
            logger.warning("%s cannot be fetched: %s", event.subject, exc)
            await asyncio.sleep(_LOOK_S)
            continue
        for message in messages:
            await _handle(message, event, handler)


async def hear(
    connection: Client, event: Event[DataT], handler: Callable[[DataT], Awaitable[None]]
) -> Subscription:
    """Call back in *every* process with each `event` from now on, for what only makes something
    fresher: what is published while the connection is lost is missed. The caller unsubscribes.
    """

    async def on_message(message: Msg) -> None:
        try:
            data = event.data.model_validate(CloudEvent.model_validate_json(message.data).data)
        except ValidationError:
            logger.warning("%s is malformed and was not heard", event.subject)
            return
        await handler(data)

    subscription = await connection.subscribe(event.subject, cb=on_message)
    await connection.flush()
    return subscription


async def _handle(
    message: Msg, event: Event[DataT], handler: Callable[[DataT], Awaitable[None]]
) -> None:
    context = extract_context(message.headers)
    with span(event.subject, kind=SpanKind.CONSUMER, parent=context):
        end = await _handled(message, event, handler)
    EVENTS_HANDLED.add(type=event.type, end=end)


async def _handled(
    message: Msg, event: Event[DataT], handler: Callable[[DataT], Awaitable[None]]
) -> str:
    """What became of it."""
    try:
        data = event.data.model_validate(CloudEvent.model_validate_json(message.data).data)
    except ValidationError:
        logger.exception("%s is malformed and will not be delivered again", event.subject)
        await message.term()
        return "malformed"
    try:
        await handler(data)
    except Exception:
        logger.exception("%s was not handled and will be delivered again", event.subject)
        await message.nak(delay=_RETRY_S)
        return "failed"
    await message.ack()
    return "handled"
