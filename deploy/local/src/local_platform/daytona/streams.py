"""Passing a request on and its answer back, byte for byte and as it comes."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp
from aiohttp import WSMsgType, web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

HOP_BY_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
HANDSHAKE = frozenset(
    {
        "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions",
        "sec-websocket-protocol", "sec-websocket-accept",
    }
)  # fmt: skip
NO_CODE, ABNORMAL = 1005, 1006


@dataclass(frozen=True)
class Upstream:
    session: aiohttp.ClientSession
    url: str
    without: frozenset[str] = field(default=frozenset())
    extra: dict[str, str] = field(default_factory=dict)

    def headers(
        self, request: web.BaseRequest, *, dropped: frozenset[str] = frozenset()
    ) -> CIMultiDict[str]:
        gone = HOP_BY_HOP | self.without | dropped | {"host"}
        kept = CIMultiDict((n, v) for n, v in request.headers.items() if n.lower() not in gone)
        kept.update(self.extra)
        return kept


def is_websocket(request: web.BaseRequest) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


def answer_headers(found: CIMultiDictProxy[str], extra: dict[str, str]) -> CIMultiDict[str]:
    kept = CIMultiDict((n, v) for n, v in found.items() if n.lower() not in HOP_BY_HOP)
    kept.update(extra)
    return kept


async def pass_on(
    request: web.Request, upstream: Upstream, extra: dict[str, str] | None = None
) -> web.StreamResponse:
    """Raises aiohttp.ClientError until something was answered; later the connection breaks."""
    if is_websocket(request):
        return await pass_websocket(request, upstream)
    async with upstream.session.request(
        request.method,
        URL(upstream.url, encoded=True),
        headers=upstream.headers(request),
        data=request.content if request.body_exists else None,
        allow_redirects=False,
    ) as found:
        headers = answer_headers(found.headers, extra or {})
        answer = web.StreamResponse(status=found.status, reason=found.reason, headers=headers)
        await answer.prepare(request)
        try:
            async for chunk in found.content.iter_any():
                await answer.write(chunk)
            await answer.write_eof()
        except (aiohttp.ClientError, ConnectionError):
            if request.transport is not None:
                request.transport.abort()
        return answer


async def pass_websocket(request: web.Request, upstream: Upstream) -> web.StreamResponse:
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    protocols = [name.strip() for name in offered.split(",") if name.strip()]
    try:
        far = await upstream.session.ws_connect(
            URL(upstream.url, encoded=True),
            headers=upstream.headers(request, dropped=HANDSHAKE),
            protocols=protocols,
            autoclose=False,
            autoping=False,
            max_msg_size=0,
            compress=0,
        )
    except aiohttp.WSServerHandshakeError as error:
        return web.Response(status=error.status)
    async with far:
        chosen = [far.protocol] if far.protocol else []
        near = web.WebSocketResponse(
            protocols=chosen, autoclose=False, autoping=False, max_msg_size=0, compress=False
        )
        await near.prepare(request)
        await carry(near, far)
    return near


Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def carry(near: web.WebSocketResponse, far: aiohttp.ClientWebSocketResponse) -> None:
    """Frames both ways; what one side closes with, the other is closed with."""
    ways = [asyncio.ensure_future(relay(near, far)), asyncio.ensure_future(relay(far, near))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def relay(source: Socket, sink: Socket) -> None:
    with suppress(ConnectionError):
        while True:
            message = await source.receive()
            if message.type is WSMsgType.CLOSE:
                await end(source, sink, message.data, message.extra)
                return
            if message.type in {WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR}:
                await end(source, sink, source.close_code, "")
                return
            await send(sink, message)


async def send(sink: Socket, message: aiohttp.WSMessage) -> None:
    match message.type:
        case WSMsgType.TEXT:
            await sink.send_str(message.data)
        case WSMsgType.BINARY:
            await sink.send_bytes(message.data)
        case WSMsgType.PING:
            await sink.ping(message.data)
        case WSMsgType.PONG:
            await sink.pong(message.data)
        case _:
            return


async def end(source: Socket, sink: Socket, code: int | None, reason: str | None) -> None:
    if code in {None, 0, ABNORMAL}:
        await sink.close(code=1011, message=b"the other side went away")
        return
    said = 1000 if code == NO_CODE else code
    await source.close(code=said or 1000)
    await sink.close(code=said or 1000, message=(reason or "").encode())
