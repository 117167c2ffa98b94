"""The way out of a sandbox: an HTTP proxy to public hosts, and the named forwards.

Each sandbox has a unix socket of its own, so a connection's sandbox is known by where it arrives.
The first line says what is wanted: `proxy` for HTTP CONNECT and absolute-URI requests, or a
forward's name and port. A name is resolved here, every address is checked, and the connection goes
to the address that was checked, so a name that changes its mind in between gains nothing.
"""

import asyncio
import logging
import socket
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from local_platform.daytona.addresses import Address, Policy, literal
from local_platform.daytona.settings import Forward
from local_platform.daytona.toolbox.tunnel import join

logger = logging.getLogger(__name__)

PROXY = "proxy"
PROXY_PORT = 3128
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
MAX_HEAD = 64 * 1024
HEAD_TIMEOUT_S = 30
CONNECT_TIMEOUT_S = 20
DROPPED = ("proxy-connection", "proxy-authorization", "connection", "keep-alive")

Pipe = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class RefusedError(Exception):
    """An HTTP status and the words a client sees."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def answer(error: RefusedError) -> bytes:
    phrase = {400: "Bad Request", 403: "Forbidden", 502: "Bad Gateway", 504: "Gateway Timeout"}
    text = f"{error}\n".encode()
    head = (
        f"HTTP/1.1 {error.status} {phrase[error.status]}\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + text


class Egress:
    """One sandbox's socket and the connections through it."""

    def __init__(self, path: Path, policy: Policy, forwards: Sequence[Forward]) -> None:
        self._path = path
        self._policy = policy
        self._forwards = {(forward.name, forward.port): forward for forward in forwards}
        self._server: asyncio.Server | None = None
        self._loopback: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._accept, self._path, limit=MAX_HEAD)
        self._path.chmod(0o666)

    async def on_loopback(self) -> dict[str, str]:
        """Without a namespace: the proxy on a port of its own, as variables for commands."""
        self._loopback = await asyncio.start_server(
            self._accept_proxy, "127.0.0.1", 0, limit=MAX_HEAD
        )
        url = f"http://127.0.0.1:{self._loopback.sockets[0].getsockname()[1]}"
        direct = dict.fromkeys(("NO_PROXY", "no_proxy"), "localhost,127.0.0.1,::1")
        return dict.fromkeys(PROXY_VARIABLES, url) | direct

    async def close(self) -> None:
        for server in (self._server, self._loopback):
            if server is not None:
                server.close()
        await self._drop_all()
        self._path.unlink(missing_ok=True)

    async def change(self, policy: Policy) -> None:
        """New settings hold for open connections too: these end."""
        self._policy = policy
        await self._drop_all()

    async def _drop_all(self) -> None:
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept_proxy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await self._accept(reader, writer, wanted=PROXY)

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wanted: str = ""
    ) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._open.add(task)
            task.add_done_callback(self._open.discard)
        try:
            await self._serve(reader, writer, wanted or await line_of(reader))
        except asyncio.CancelledError:
            writer.transport.abort()
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.close()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wanted: str
    ) -> None:
        try:
            if wanted == PROXY:
                far = await self._proxied(reader, writer)
            else:
                far = await self._forwarded(wanted)
        except RefusedError as error:
            if wanted == PROXY:
                writer.write(answer(error))
            writer.close()
            return
        await join((reader, writer), far)

    async def _forwarded(self, wanted: str) -> Pipe:
        name, _, port = wanted.rpartition(":")
        return await self._forward(name, int(port))

    async def _forward(self, name: str, port: int) -> Pipe:
        forward = self._forwards.get((name, port))
        if forward is None or not self._policy.allows_name(name):
            raise RefusedError(403, f"{name} is not open to this sandbox")
        return await connected(forward.host, forward.host_port)

    async def _proxied(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Pipe:
        async with asyncio.timeout(HEAD_TIMEOUT_S):
            head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, target, version = ([*lines[0].split(" "), "", ""])[:3]
        if method == "CONNECT":
            name, port = authority(target, 443)
            far = await self._reach(name, port)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            return far
        parts = urlsplit(target)
        if parts.scheme != "http" or not parts.hostname:
            raise RefusedError(400, "this is an HTTP proxy: send CONNECT or an absolute http URL")
        name, port = authority(parts.netloc.rpartition("@")[2], 80)
        far = await self._reach(name, port)
        path = target.split("/", 3)[3] if target.count("/") > 2 else ""
        far[1].write(rewritten(method, f"/{path}", version, lines[1:]))
        return far

    async def _reach(self, name: str, port: int) -> Pipe:
        if (name, port) in self._forwards:
            return await self._forward(name, port)
        if not self._policy.allows_name(name):
            raise RefusedError(403, f"{name} is not open to this sandbox")
        refused = False
        for address in await resolved(name, port):
            if not self._policy.allows_address(address):
                refused = True
                continue
            with suppress(RefusedError):
                return await connected(str(address), port)
        if refused:
            raise RefusedError(403, f"{name} is a private or blocked address")
        raise RefusedError(502, f"{name}:{port} cannot be reached")


async def line_of(reader: asyncio.StreamReader) -> str:
    async with asyncio.timeout(HEAD_TIMEOUT_S):
        return (await reader.readline()).decode().strip()


def authority(text: str, default_port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    try:
        port = parts.port or default_port
    except ValueError as error:
        raise RefusedError(400, f"{text} has no port") from error
    if not parts.hostname:
        raise RefusedError(400, f"{text} has no host")
    return parts.hostname.lower().rstrip("."), port


def rewritten(method: str, path: str, version: str, lines: list[str]) -> bytes:
    """The request as the origin takes it; one request a connection, so no other host slips in."""
    kept = [
        line for line in lines if line and line.split(":", 1)[0].strip().lower() not in DROPPED
    ]
    head = [f"{method} {path} {version}", *kept, "Connection: close", "", ""]
    return "\r\n".join(head).encode("latin-1")


async def resolved(name: str, port: int) -> list[Address]:
    found = literal(name)
    if found is not None:
        return [found]
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            rows = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError) as error:
        raise RefusedError(502, f"{name} cannot be resolved") from error
    return list(dict.fromkeys(ip_address(str(row[4][0]).partition("%")[0]) for row in rows))


async def connected(host: str, port: int) -> Pipe:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            return await asyncio.open_connection(host, port, limit=MAX_HEAD)
    except TimeoutError as error:
        raise RefusedError(504, f"port {port} does not answer") from error
    except OSError as error:
        raise RefusedError(502, f"port {port} cannot be reached") from error
