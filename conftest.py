"""Fixtures and markers for all tests: a test's folder is its layer."""

from pathlib import Path
from typing import Any

import pytest
from common.testing.fixtures import (
    anyio_backend,
    database,
    finished_spans,
    measured,
    mongodb_uri,
    nats_connection,
    nats_url,
    spans,
)
from hypothesis import settings

__all__ = [
    "anyio_backend",
    "database",
    "finished_spans",
    "measured",
    "mongodb_uri",
    "nats_connection",
    "nats_url",
    "spans",
]

LAYERS = ("integration", "e2e", "browser", "security")
SUMMARY = "summary"
"""The property under which a test says what it measured."""

# A busy machine is no failure.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What a test measured and everybody should see, also when it ran in another process."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") != "call":
                continue
            for name, value in report.user_properties:
                if name == SUMMARY:
                    terminalreporter.write_line(str(value))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for layer in LAYERS:
            if layer in Path(item.path).parts:
                item.add_marker(layer)
