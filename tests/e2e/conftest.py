"""One platform for all end-to-end tests, and users of it."""

import itertools
from collections.abc import Callable, Iterator

import httpx
import pytest
from local_platform.collector.testing import Collected, collecting
from local_platform.instance import Instance, running
from local_platform.visitor import Visitor


@pytest.fixture(scope="session")
def collected() -> Iterator[Collected]:
    """A receiver of telemetry, to which the platform sends all of it."""
    with collecting() as received:
        yield received


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory, collected: Collected) -> Iterator[Instance]:
    telemetry = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collected.url,
        "OTEL_BSP_SCHEDULE_DELAY": "500",
        "OTEL_METRIC_EXPORT_INTERVAL": "2000",
    }
    with running(tmp_path_factory.mktemp("platform"), **telemetry) as instance:
        yield instance


@pytest.fixture(scope="session")
def new_visitor(platform: Instance) -> Iterator[Callable[[], Visitor]]:
    """Each call is a user that the platform has never seen."""
    numbers, made = itertools.count(), []

    def make() -> Visitor:
        made.append(Visitor.named(f"user-{next(numbers)}", platform))
        return made[-1]

    yield make
    for visitor in made:
        visitor.http.close()


@pytest.fixture
def provider(platform: Instance) -> Iterator[httpx.Client]:
    """The sandbox provider's own API, with the operator's key."""
    port = platform.processes["daytona"]["port"]
    key = (platform.directory / "secrets/daytona-api-key").read_text().strip()
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}/api", headers={"Authorization": f"Bearer {key}"}
    ) as client:
        yield client
