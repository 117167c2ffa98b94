"""Fixtures shared by all integration tests; the root conftest imports them."""

from collections.abc import AsyncIterator

import pytest
from nats.aio.client import Client
from opentelemetry import metrics, trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

from common import mongo
from common.messaging.connection import connect
from common.messaging.streams import ensure_streams
from common.metrics.kinds import Metric
from common.telemetry.export import Discreet, sampler
from common.testing.servers import mongo_server, nats_server


class Measured:
    """What the metrics of this process say."""

    def __call__(self, metric: Metric, **labels: str) -> float:
        """A counter's or gauge's value, a histogram's count; 0 before the first."""
        name = f"{metric.exported}_count" if metric.kind == "histogram" else metric.exported
        return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def measured() -> Measured:
    """Metrics are kept from here on, for the whole process."""
    reader = PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False)
    metrics.set_meter_provider(MeterProvider([reader]))
    return Measured()


@pytest.fixture(scope="session")
def finished_spans() -> InMemorySpanExporter:
    """Traces are kept from here on, for the whole process; the spans that have ended."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler(1.0))
    provider.add_span_processor(SimpleSpanProcessor(Discreet(exporter)))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture
def spans(finished_spans: InMemorySpanExporter) -> InMemorySpanExporter:
    """The spans that end during one test."""
    finished_spans.clear()
    return finished_spans


@pytest.fixture(scope="session")
async def nats_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A real nats-server with JetStream, one for the whole run."""
    async with nats_server(tmp_path_factory.mktemp("nats")) as url:
        yield url


@pytest.fixture(scope="session")
async def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A real MongoDB-compatible store, one for the whole run."""
    async with mongo_server(tmp_path_factory.mktemp("mongo")) as uri:
        yield uri


@pytest.fixture
async def nats_connection(nats_url: str) -> AsyncIterator[Client]:
    """A connection of its own, streams in place."""
    connection = await connect(nats_url, "test")
    await ensure_streams(connection.jetstream())
    yield connection
    await connection.close()


@pytest.fixture
async def database(mongodb_uri: str) -> AsyncIterator[mongo.Database]:
    """An empty database of its own."""
    client = mongo.open_client(mongodb_uri)
    database = mongo.database_of(client, "test")
    await client.drop_database(database.name)
    yield database
    await client.close()
