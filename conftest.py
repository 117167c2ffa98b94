"""Fixtures and markers for all tests: a test's folder is its layer."""

from pathlib import Path

import pytest
from common.testing.fixtures import anyio_backend, database, mongodb_uri, nats_connection, nats_url

__all__ = ["anyio_backend", "database", "mongodb_uri", "nats_connection", "nats_url"]

LAYERS = ("integration", "e2e")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for layer in LAYERS:
            if layer in Path(item.path).parts:
                item.add_marker(layer)
