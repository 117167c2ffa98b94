"""The stand-in for the collector takes what the real exporter sends."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp.test_utils import BaseTestServer, TestServer
from local_platform.collector.app import build_app
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
async def collector(lines: list[str]) -> AsyncIterator[BaseTestServer]:
    async with TestServer(build_app(lines.append)) as server:
        yield server


def export(url: str) -> None:
    provider = TracerProvider(resource=Resource.create({"service.name": "keys"}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=url)))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
        pass
    provider.shutdown()


class TestCollector:
    async def test_each_span_is_a_line_with_its_service_and_its_parent(
        self, collector: BaseTestServer, lines: list[str]
    ) -> None:
        await asyncio.to_thread(export, str(collector.make_url("/v1/traces")))

        inner, outer = (json.loads(line) for line in lines)
        assert (inner["service"], inner["name"], outer["name"]) == ("keys", "inner", "outer")
        assert inner["trace_id"] == outer["trace_id"]
        assert inner["parent_id"] == outer["span_id"]

    async def test_what_is_no_export_is_refused(
        self, collector: BaseTestServer, lines: list[str]
    ) -> None:
        async with aiohttp.ClientSession() as http:
            answer = await http.post(collector.make_url("/v1/traces"), data=b"\xff\xff")

        assert (answer.status, lines) == (400, [])
