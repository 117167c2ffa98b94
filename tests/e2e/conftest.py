"""One platform for all end-to-end tests."""

from collections.abc import Iterator

import pytest

from local_platform.instance import Instance, running


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with running(tmp_path_factory.mktemp("platform")) as instance:
        yield instance
