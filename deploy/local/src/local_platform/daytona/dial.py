"""HTTP to what listens inside a sandbox, over its two unix sockets."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

DIAL_TIMEOUT_S = 10


class NothingListensError(aiohttp.ClientConnectionError):
    pass


class DialConnector(aiohttp.BaseConnector):
    """Connections to a port of the sandbox's loopback, each dialled through its daemon."""

    def __init__(self, path: Path) -> None:
        super().__init__(force_close=True, limit=0)
        self._path = path

    async def _create_connection(self, req: Any, *_: Any) -> ResponseHandler:
        loop = asyncio.get_running_loop()
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.setblocking(False)
        try:
            async with asyncio.timeout(DIAL_TIMEOUT_S):
                await self._dial(link, req.url.port)
            _transport, protocol = await loop.create_unix_connection(
                lambda: ResponseHandler(loop), sock=link
            )
        except (OSError, TimeoutError) as error:
            link.close()
            raise NothingListensError(str(error)) from error
        except BaseException:
            link.close()
            raise
        return protocol

    async def _dial(self, link: socket.socket, port: int) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(link, str(self._path))
        await loop.sock_sendall(link, f"{port}\n".encode())
        if await loop.sock_recv(link, 1) != b"+":
            raise ConnectionRefusedError(f"nothing listens on {port}")


def client(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    """A session that changes nothing on the way: no timeouts, cookies, encodings or proxies."""
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    )


def toolbox_client(path: Path) -> aiohttp.ClientSession:
    return client(aiohttp.UnixConnector(str(path), limit=0))


def preview_client(path: Path) -> aiohttp.ClientSession:
    return client(DialConnector(path))
