"""Logs as JSON lines, traces, metrics. A process calls `configuring.configure` once."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Telemetry:
    """`endpoint`: of a collector that takes OTLP over HTTP; `traced`: the share of traces kept."""

    level: str = "INFO"
    endpoint: str | None = None
    traced: float = 1.0
