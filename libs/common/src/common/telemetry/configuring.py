"""One `configure` per process: where its logs, traces and metrics go."""

import logging
import sys
import uuid

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import DropAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from common.metrics.kinds import SCOPE
from common.telemetry import Telemetry
from common.telemetry.export import Discreet, sampler
from common.telemetry.logs import JsonFormatter, TerminalFormatter

_OURS_ALONE = (
    View(meter_name=SCOPE),
    View(instrument_name="*", aggregation=DropAggregation()),
)
"""Libraries measure too, by method or by path: docs/metrics.md knows all that leaves."""


def configure(service: str, telemetry: Telemetry) -> None:
    """Send logs to stdout, keep metrics for `/metrics`, and where there is a collector send it
    traces and metrics.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter((TerminalFormatter if sys.stdout.isatty() else JsonFormatter)(service))
    logging.basicConfig(level=telemetry.level, handlers=[handler], force=True)
    # These name whole URLs at INFO, and a signed URL's host is a secret.
    for noisy in ("httpx", "httpcore", "aiohttp.access", "pymongo", "nats", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    resource = Resource.create({"service.name": service, "service.instance.id": str(uuid.uuid4())})
    readers: list[MetricReader] = [
        PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False)
    ]
    if telemetry.endpoint:
        base = telemetry.endpoint.rstrip("/")
        exporter = OTLPMetricExporter(endpoint=f"{base}/v1/metrics")
        readers.append(PeriodicExportingMetricReader(exporter))
        provider = TracerProvider(resource=resource, sampler=sampler(telemetry.traced))
        spans = Discreet(OTLPSpanExporter(endpoint=f"{base}/v1/traces"))
        provider.add_span_processor(BatchSpanProcessor(spans))
        trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider(readers, resource=resource, views=_OURS_ALONE))
