"""An event that several replicas publish at once."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest
from common.contracts.events import OWNER_CREATED, OwnerCreated
from common.messaging.events import EventPublisher
from common.telemetry.tracing import span
from nats.js import JetStreamContext
from nats.js.errors import APIError
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

IN_PROCESS = 10158
OWNER = "own_" + "a" * 20


class BusyStream:
    """Refuses as often as there are codes, then takes."""

    def __init__(self, *codes: int) -> None:
        self._codes = list(codes)
        self.asked: list[dict[str, str]] = []

    async def publish(self, subject: str, body: bytes, **more: Any) -> None:
        self.asked.append(more["headers"])
        if self._codes:
            raise APIError(code=409, err_code=self._codes.pop(0), description="busy")


def publisher(stream: BusyStream) -> EventPublisher:
    return EventPublisher(cast("JetStreamContext", stream))


def event() -> Any:
    return OWNER_CREATED.of(OwnerCreated(owner_id=OWNER), entity_id=OWNER, at=datetime.now(UTC))


class TestPublish:
    async def test_one_that_another_replica_is_publishing_is_asked_for_again(self) -> None:
        stream = BusyStream(IN_PROCESS, IN_PROCESS)
        told = event()

        await publisher(stream).publish(told)

        assert [headers["Nats-Msg-Id"] for headers in stream.asked] == [told.id] * 3

    async def test_any_other_refusal_is_the_callers(self) -> None:
        with pytest.raises(APIError):
            await publisher(BusyStream(10077)).publish(event())

    async def test_an_event_carries_the_trace_of_its_cause(
        self, spans: InMemorySpanExporter
    ) -> None:
        stream = BusyStream()
        with span("request"):
            told = event()

        await publisher(stream).publish(told)

        (request,) = spans.get_finished_spans()
        assert f"{request.context.trace_id:032x}" in stream.asked[0]["traceparent"]
