"""Raw bytes between the sandbox's private network and the host's two unix sockets.

Inwards the host dials a port of this namespace: it sends the port and a newline, gets `+` or `-`,
and then talks to the application itself; `stop` ends the sandbox. Outwards a listener on this
namespace's loopback hands each connection to the host's forwarder with one line that says which
listener it came from.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

CHUNK = 64 * 1024
LOOPBACK = ("127.0.0.1", "::1")
STOP = "stop"

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def join(
    near: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    far: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    """Carry bytes both ways until both sides have ended."""
    try:
        await asyncio.gather(copy(near[0], far[1]), copy(far[0], near[1]))
    finally:
        near[1].close()
        far[1].close()


async def connect_loopback(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    for address in LOOPBACK[:-1]:
        with suppress(OSError):
            return await asyncio.open_connection(address, port)
    return await asyncio.open_connection(LOOPBACK[-1], port)


def dialling(stop: Callable[[], None]) -> Connected:
    async def dialled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wanted = (await reader.readline()).decode(errors="replace").strip()
        if wanted == STOP:
            stop()
        try:
            far = await connect_loopback(int(wanted))
        except (OSError, ValueError):
            writer.write(b"-")
            writer.close()
            return
        writer.write(b"+")
        await join((reader, writer), far)

    return dialled


def outward(
    label: str, forwarder: str
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far = await asyncio.open_unix_connection(forwarder)
        except OSError:
            writer.close()
            return
        far[1].write(f"{label}\n".encode())
        await join((reader, writer), far)

    return connected


async def serve_dials(listener: socket.socket, stop: Callable[[], None]) -> asyncio.Server:
    return await asyncio.start_unix_server(dialling(stop), sock=listener)


async def serve_outward(labels: dict[int, str], forwarder: str) -> list[asyncio.Server]:
    return [
        await asyncio.start_server(outward(label, forwarder), "127.0.0.1", port, backlog=256)
        for port, label in labels.items()
    ]
