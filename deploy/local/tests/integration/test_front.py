"""The front door deals out connections and passes over what does not listen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from local_platform.front.door import Door

HOST = "127.0.0.1"


class Named:
    """A server that says its name and what it was told."""

    def __init__(self, name: bytes) -> None:
        self._name = name
        self.port = 0

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._answer, HOST, 0)
        self.port = int(server.sockets[0].getsockname()[1])
        return server

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._name + await reader.read())
        writer.close()


@pytest.fixture
async def servers() -> AsyncIterator[list[tuple[Named, asyncio.Server]]]:
    async with AsyncExitStack() as stack:
        made = []
        for name in (b"one ", b"two "):
            named = Named(name)
            made.append((named, await stack.enter_async_context(await named.start())))
        yield made


async def asked(port: int, text: bytes = b"hello") -> bytes:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(text)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


class TestDoor:
    async def test_connections_are_dealt_out_in_turn(
        self, servers: list[tuple[Named, asyncio.Server]]
    ) -> None:
        async with await Door(HOST, [named.port for named, _ in servers]).serve(0) as door:
            port = int(door.sockets[0].getsockname()[1])
            answers = [await asked(port) for _ in range(4)]

        assert sorted(answers) == [b"one hello"] * 2 + [b"two hello"] * 2

    async def test_one_that_does_not_listen_is_passed_over(
        self, servers: list[tuple[Named, asyncio.Server]]
    ) -> None:
        servers[0][1].close()
        async with await Door(HOST, [named.port for named, _ in servers]).serve(0) as door:
            port = int(door.sockets[0].getsockname()[1])
            answers = {await asked(port) for _ in range(4)}

        assert answers == {b"two hello"}

    async def test_without_any_the_connection_is_closed(self) -> None:
        async with await Door(HOST, [1]).serve(0) as door:
            port = int(door.sockets[0].getsockname()[1])

            assert await asked(port) == b""
