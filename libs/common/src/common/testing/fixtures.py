"""Fixtures shared by all integration tests; the root conftest imports them."""

from collections.abc import AsyncIterator

import pytest
from nats.aio.client import Client

from common import mongo
from common.messaging.connection import connect
from common.messaging.streams import ensure_streams
from common.testing.servers import mongo_server, nats_server


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
async def nats_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A real nats-server with JetStream, one for the whole run."""
    async with nats_server(tmp_path_factory.mktemp("nats")) as url:
        yield url


@pytest.fixture(scope="session")
async def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A real MongoDB-compatible store, one for the whole run."""
    async with mongo_server(tmp_path_factory.mktemp("mongo")) as uri:
        yield uri


@pytest.fixture
async def nats_connection(nats_url: str) -> AsyncIterator[Client]:
    """A connection of its own, streams in place."""
    connection = await connect(nats_url, "test")
    await ensure_streams(connection.jetstream())
    yield connection
    await connection.close()


@pytest.fixture
async def database(mongodb_uri: str) -> AsyncIterator[mongo.Database]:
    """An empty database of its own."""
    client = mongo.open_client(mongodb_uri)
    database = mongo.database_of(client, "test")
    await client.drop_database(database.name)
    yield database
    await client.close()
