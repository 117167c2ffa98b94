"""A real host process on a free port, and the unmodified SDK against it."""

import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from daytona import AsyncDaytona, AsyncSandbox, CreateSandboxFromSnapshotParams, DaytonaConfig
from local_platform.daytona.testing import HostProcess

ROOTS = Path(__file__).parents[5] / ".local" / "daytona" / "roots"


class EverythingIsHere(AbstractResolver):
    """Preview host names lead to this machine; few resolvers know that about `*.localhost`."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = ResolveResult(
            hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0
        )
        return [found]

    async def close(self) -> None:
        pass


@contextmanager
def running_host(settings: dict[str, str]) -> Iterator[HostProcess]:
    """Roots are shared by all runs on this machine, so that only the first one installs."""
    own = {"LOCAL_DAYTONA_ROOTS_DIR": str(ROOTS), "LOCAL_DAYTONA_TIMER_INTERVAL": "PT0.3S"}
    with tempfile.TemporaryDirectory(prefix="host-") as folder:
        made = HostProcess(Path(folder), settings=own | settings)
        made.start()
        yield made
        if made.is_running():
            made.stop()


@pytest.fixture(scope="session")
def host() -> Iterator[HostProcess]:
    with running_host({}) as made:
        yield made


@pytest.fixture
def own_host(request: pytest.FixtureRequest) -> Iterator[HostProcess]:
    """A host of the test's own; an indirect parameter holds further settings."""
    with running_host(getattr(request, "param", {})) as made:
        yield made


def client_of(host: HostProcess) -> AsyncDaytona:
    return AsyncDaytona(DaytonaConfig(api_key=host.key, api_url=host.api_url, target="local"))


@pytest.fixture
async def daytona(host: HostProcess) -> AsyncIterator[AsyncDaytona]:
    async with client_of(host) as client:
        yield client


@pytest.fixture
async def own_daytona(own_host: HostProcess) -> AsyncIterator[AsyncDaytona]:
    async with client_of(own_host) as client:
        yield client


@pytest.fixture
async def sandbox(daytona: AsyncDaytona) -> AsyncIterator[AsyncSandbox]:
    made = await daytona.create(CreateSandboxFromSnapshotParams(language="python"))
    yield made
    await daytona.delete(made)


@pytest.fixture
async def http(host: HostProcess) -> AsyncIterator[aiohttp.ClientSession]:
    """The account's key, without the SDK."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {host.key}"}) as session:
        yield session


@pytest.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client that finds preview hosts and keeps no cookies."""
    connector = aiohttp.TCPConnector(resolver=EverythingIsHere())
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as session:
        yield session
