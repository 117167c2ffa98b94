"""OTLP/HTTP in, lines of JSON out."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from aiohttp import web
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

MOST_BYTES = 16 * 1024 * 1024
NS_PER_MS = 1_000_000


def build_app(write: Callable[[str], object]) -> web.Application:
    """`write` is given one line a span."""

    async def traces(request: web.Request) -> web.Response:
        try:
            # aiohttp has undone the compression that the header names.
            export = ExportTraceServiceRequest.FromString(await request.read())
        except DecodeError as error:
            raise web.HTTPBadRequest(text="not an export of traces") from error
        for span in spans(export):
            write(json.dumps(span) + "\n")
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(),
            content_type="application/x-protobuf",
        )

    app = web.Application(client_max_size=MOST_BYTES)
    app.router.add_post("/v1/traces", traces)
    return app


def spans(export: ExportTraceServiceRequest) -> Iterator[dict[str, Any]]:
    for resource in export.resource_spans:
        named = {item.key: item.value.string_value for item in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield {
                    "service": named.get("service.name", ""),
                    "name": span.name,
                    "trace_id": span.trace_id.hex(),
                    "span_id": span.span_id.hex(),
                    "parent_id": span.parent_span_id.hex(),
                    "ms": (span.end_time_unix_nano - span.start_time_unix_nano) / NS_PER_MS,
                }
