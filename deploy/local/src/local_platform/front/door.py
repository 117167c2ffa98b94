"""One port, and the ports behind it."""

import asyncio
import contextlib
import itertools
from collections.abc import Sequence

_CONNECT_S = 2.0
_READ_BYTES = 256 * 1024


class Door:
    """Passes bytes on both ways; a target that does not listen is tried again with the next
    connection.
    """

    def __init__(self, host: str, targets: Sequence[int]) -> None:
        self._host = host
        self._targets = targets
        self._turns = itertools.count()

    async def serve(self, port: int) -> asyncio.Server:
        return await asyncio.start_server(self._on_client, self._host, port, backlog=1024)

    async def _on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            behind = await self._reached()
            if behind is not None:
                await _joined((reader, writer), behind)
        finally:
            writer.close()

    async def _reached(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        first = next(self._turns)
        for number in range(len(self._targets)):
            port = self._targets[(first + number) % len(self._targets)]
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CONNECT_S):
                    return await asyncio.open_connection(self._host, port)
        return None


async def _joined(
    one: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    other: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    """Until both ways are over, or either side is gone."""
    try:
        async with asyncio.TaskGroup() as ways:
            ways.create_task(_pass(one[0], other[1]))
            ways.create_task(_pass(other[0], one[1]))
    except* OSError:
        pass
    finally:
        other[1].close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_READ_BYTES):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
