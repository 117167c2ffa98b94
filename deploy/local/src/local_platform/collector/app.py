"""OTLP/HTTP in, lines of JSON out."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from aiohttp import web
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

MOST_BYTES = 16 * 1024 * 1024
NS_PER_MS = 1_000_000

Line = dict[str, Any]


def build_app(write: Callable[[str], object]) -> web.Application:
    """`write` is given one line a span, and one a metric."""

    def tell(lines: Iterator[Line]) -> None:
        for line in lines:
            write(json.dumps(line) + "\n")

    async def traces(request: web.Request) -> web.Response:
        export = ExportTraceServiceRequest()
        await _read(request, export)
        tell(spans(export))
        return _answer(ExportTraceServiceResponse())

    async def metrics(request: web.Request) -> web.Response:
        export = ExportMetricsServiceRequest()
        await _read(request, export)
        tell(points(export))
        return _answer(ExportMetricsServiceResponse())

    app = web.Application(client_max_size=MOST_BYTES)
    app.router.add_post("/v1/traces", traces)
    app.router.add_post("/v1/metrics", metrics)
    return app


async def _read(
    request: web.Request, export: ExportTraceServiceRequest | ExportMetricsServiceRequest
) -> None:
    try:
        # aiohttp has undone the compression that the header names.
        export.ParseFromString(await request.read())
    except DecodeError as error:
        raise web.HTTPBadRequest(text="not an export") from error


def _answer(body: ExportTraceServiceResponse | ExportMetricsServiceResponse) -> web.Response:
    return web.Response(body=body.SerializeToString(), content_type="application/x-protobuf")


def spans(export: ExportTraceServiceRequest) -> Iterator[Line]:
    for resource in export.resource_spans:
        service = _service(resource.resource)
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield {
                    "service": service,
                    "name": span.name,
                    "trace_id": span.trace_id.hex(),
                    "span_id": span.span_id.hex(),
                    "parent_id": span.parent_span_id.hex(),
                    "ms": (span.end_time_unix_nano - span.start_time_unix_nano) / NS_PER_MS,
                    "attributes": _values(span.attributes),
                }


def points(export: ExportMetricsServiceRequest) -> Iterator[Line]:
    """A metric's values, a histogram's counts, by labels."""
    for resource in export.resource_metrics:
        service = _service(resource.resource)
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                numbers = [
                    {
                        **_values(point.attributes),
                        "value": point.as_double or point.as_int,
                    }
                    for point in (*metric.sum.data_points, *metric.gauge.data_points)
                ]
                counts = [
                    {**_values(point.attributes), "count": point.count, "sum": point.sum}
                    for point in metric.histogram.data_points
                ]
                yield {
                    "service": service,
                    "metric": metric.name,
                    "unit": metric.unit,
                    "points": numbers + counts,
                }


def _service(resource: Resource) -> str:
    return str(_values(resource.attributes).get("service.name", ""))


def _values(attributes: Any) -> Line:
    return {item.key: _value(item) for item in attributes}


def _value(item: KeyValue) -> Any:
    kind = item.value.WhichOneof("value")
    return getattr(item.value, kind) if kind and kind.startswith(("s", "b", "i", "d")) else None
