"""Fixtures and markers for all tests: a test's folder is its layer."""

from pathlib import Path

import pytest
from common.testing.fixtures import anyio_backend, database, mongodb_uri, nats_connection, nats_url
from hypothesis import settings

__all__ = ["anyio_backend", "database", "mongodb_uri", "nats_connection", "nats_url"]

LAYERS = ("integration", "e2e")

# A busy machine is no failure.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for layer in LAYERS:
            if layer in Path(item.path).parts:
                item.add_marker(layer)
