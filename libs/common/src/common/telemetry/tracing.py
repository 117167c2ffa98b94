"""Spans, and how they go on across processes and after a crash.

A trace travels as W3C's `traceparent`: in the headers of messages, in the body of an event, and in
the record of what must survive a crash, so that whoever takes it over writes the same trace on.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

TRACEPARENT = "traceparent"

_TRACER = trace.get_tracer("tryskills")


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: Context | None = None,
    **attributes: AttributeValue,
) -> Iterator[Span]:
    """A span around what happens inside; what fails there is told by its code alone, since a
    message may hold what a user typed. Without a `parent` it belongs to the current span.
    """
    with _TRACER.start_as_current_span(
        name,
        context=parent,
        kind=kind,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except Exception as exc:
            failed(current, str(getattr(exc, "code", type(exc).__name__)))
            raise


def failed(current: Span, code: str) -> None:
    current.set_attribute("error.type", code)
    current.set_status(Status(StatusCode.ERROR))


def inject_context(headers: dict[str, str]) -> dict[str, str]:
    """Add the current trace context to message headers."""
    propagate.inject(headers)
    return headers


def extract_context(headers: Mapping[str, Any] | None) -> Context:
    """The trace context a message came with."""
    return propagate.extract(dict(headers or {}))


def current_trace() -> str | None:
    """The current span as a `traceparent` to keep in a record; None outside any trace."""
    return inject_context({}).get(TRACEPARENT)


def context_of(traceparent: str | None) -> Context | None:
    """Where a kept `traceparent` leads; None is the current span."""
    return extract_context({TRACEPARENT: traceparent}) if traceparent else None


@contextmanager
def untraced() -> Iterator[None]:
    """Tasks that are started inside belong to no trace: upkeep beside the work."""
    token = contexts.attach(Context())
    try:
        yield
    finally:
        contexts.detach(token)
