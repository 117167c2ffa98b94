"""The proxy's way to an address that is open, which on one machine only loopback can be."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from local_platform.daytona.addresses import Address, Policy
from local_platform.daytona.egress import Egress

pytestmark = pytest.mark.anyio


class LoopbackIsPublic(Policy):
    def allows_address(self, address: Address) -> bool:
        return address.is_loopback


async def echo(request: web.Request) -> web.Response:
    body = await request.text()
    seen = f"{request.method} {request.raw_path} {request.headers.get('Connection')} {body}"
    return web.Response(text=seen, headers={"X-Proxy": request.headers.get("Proxy-X", "none")})


@pytest.fixture
async def origin() -> AsyncIterator[int]:
    app = web.Application()
    app.add_routes([web.route("*", "/{rest:.*}", echo)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield int(runner.addresses[0][1])
    await runner.cleanup()


@pytest.fixture
async def egress(tmp_path: Path) -> AsyncIterator[Path]:
    made = Egress(tmp_path / "e", LoopbackIsPublic(), [])
    await made.start()
    yield tmp_path / "e"
    await made.close()


async def ask(path: Path, sent: bytes, then: bytes = b"") -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"proxy\n" + sent)
    answer = b""
    if then:
        answer = await reader.readuntil(b"\r\n\r\n")
        writer.write(then)
    answer += await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


class TestProxy:
    async def test_an_absolute_url_reaches_the_origin(self, egress: Path, origin: int) -> None:
        answer = await ask(
            egress,
            f"POST http://127.0.0.1:{origin}/a%20b?x=//y HTTP/1.1\r\nHost: h\r\n"
            "Content-Length: 4\r\nProxy-Connection: keep-alive\r\n\r\nbody".encode(),
        )

        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert answer.endswith(b"POST /a%20b?x=//y close body")

    async def test_a_url_without_a_path_asks_for_the_root(self, egress: Path, origin: int) -> None:
        answer = await ask(
            egress, f"GET http://127.0.0.1:{origin} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
        )

        assert answer.endswith(b"GET / close ")

    async def test_a_tunnel_carries_both_ways(self, egress: Path, origin: int) -> None:
        answer = await ask(
            egress,
            f"CONNECT localhost:{origin} HTTP/1.1\r\nHost: h\r\n\r\n".encode(),
            b"GET /t HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        )

        assert answer.startswith(b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200 OK")
        assert answer.endswith(b"GET /t close ")

    @pytest.mark.parametrize(
        ("request_line", "status"),
        [
            (b"GET /relative HTTP/1.1", b"400"),
            (b"GET ftp://h/ HTTP/1.1", b"400"),
            (b"CONNECT :443 HTTP/1.1", b"400"),
            (b"CONNECT h:99999 HTTP/1.1", b"400"),
            (b"nonsense", b"400"),
            (b"CONNECT 127.0.0.1:1 HTTP/1.1", b"502"),
            (b"CONNECT no-such-name.invalid:443 HTTP/1.1", b"502"),
            (b"CONNECT 8.8.8.8:443 HTTP/1.1", b"403"),
        ],
    )
    async def test_what_cannot_be_reached_is_told(
        self, egress: Path, request_line: bytes, status: bytes
    ) -> None:
        answer = await ask(egress, request_line + b"\r\nHost: h\r\n\r\n")

        assert answer.startswith(b"HTTP/1.1 " + status)
        assert answer.partition(b"\r\n\r\n")[2]
