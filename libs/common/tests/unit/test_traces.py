"""Which traces begin, how they go on, and what of a span leaves the process."""

import pytest
from common.errors import ErrorCode, NotFoundError
from common.telemetry.tracing import context_of, current_trace, span, untraced
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, get_tracer


class TestBeginnings:
    def test_a_call_by_itself_begins_no_trace(self, spans: InMemorySpanExporter) -> None:
        with span("find", kind=SpanKind.CLIENT):
            pass

        assert spans.get_finished_spans() == ()

    def test_a_call_within_work_belongs_to_it(self, spans: InMemorySpanExporter) -> None:
        with span("request", kind=SpanKind.SERVER), span("find", kind=SpanKind.CLIENT):
            pass

        find, request = spans.get_finished_spans()
        assert find.parent is not None
        assert find.parent.span_id == request.context.span_id


class TestGoingOn:
    def test_a_kept_traceparent_leads_back_into_its_trace(
        self, spans: InMemorySpanExporter
    ) -> None:
        with span("request"):
            kept = current_trace()
        with span("taken over", parent=context_of(kept)):
            pass

        request, taken_over = spans.get_finished_spans()
        assert taken_over.context.trace_id == request.context.trace_id

    def test_outside_any_trace_there_is_nothing_to_keep(self) -> None:
        assert current_trace() is None

    def test_upkeep_beside_the_work_is_no_part_of_its_trace(
        self, spans: InMemorySpanExporter
    ) -> None:
        with span("turn"), untraced(), span("renew", kind=SpanKind.CLIENT):
            pass

        assert [ended.name for ended in spans.get_finished_spans()] == ["turn"]


class TestDiscreet:
    def test_a_failure_is_told_by_its_code_alone(self, spans: InMemorySpanExporter) -> None:
        with pytest.raises(NotFoundError), span("find"):
            raise NotFoundError("no session called ours-is-secret", code=ErrorCode.NOT_FOUND)

        (ended,) = spans.get_finished_spans()
        assert ended.status.status_code is StatusCode.ERROR
        assert ended.attributes == {"error.type": "not_found"}
        assert "secret" not in ended.to_json()

    def test_what_a_library_says_of_its_errors_stays_inside(
        self, spans: InMemorySpanExporter
    ) -> None:
        message = "cannot connect to https://8642-secret.proxy.example"
        with (
            pytest.raises(OSError, match="cannot"),
            get_tracer("sdk").start_as_current_span("create"),
        ):
            raise OSError(message)

        (ended,) = spans.get_finished_spans()
        assert ended.status.status_code is StatusCode.ERROR
        assert "secret" not in ended.to_json()
