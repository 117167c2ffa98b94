"""Previews: who may look, what arrives, and what comes back."""

import asyncio
from textwrap import dedent

import aiohttp
import pytest
from daytona import (
    AsyncDaytona,
    AsyncSandbox,
    CreateSandboxFromSnapshotParams,
    SessionExecuteRequest,
)
from local_platform.daytona.testing import HostProcess
from yarl import URL

PORT = 8000
TOKEN = "X-Daytona-Preview-Token"
APP = dedent("""
    import asyncio
    from aiohttp import web

    async def echo(request):
        body = await request.read()
        return web.json_response({"path": request.raw_path, "method": request.method,
            "headers": {k.lower(): v for k, v in request.headers.items()}, "body": body.decode()})

    async def stream(request):
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(b"data: 1\\n\\n")
        await asyncio.sleep(3)
        await answer.write(b"data: 2\\n\\n")
        return answer

    async def away(request):
        raise web.HTTPFound("http://127.0.0.1:1/secret")

    async def ws(request):
        socket = web.WebSocketResponse(protocols=["chat.v1"])
        await socket.prepare(request)
        async for message in socket:
            if message.data == "close":
                await socket.close(code=4001, message=b"enough")
            else:
                await socket.send_str("echo " + message.data)
        return socket

    app = web.Application()
    app.add_routes([web.get("/stream", stream), web.get("/away", away), web.get("/ws", ws),
                    web.route("*", "/{rest:.*}", echo)])
    web.run_app(app, host="127.0.0.1", port=8000, print=None)
""")

pytestmark = pytest.mark.anyio


@pytest.fixture
async def serving(sandbox: AsyncSandbox) -> AsyncSandbox:
    await serve(sandbox)
    return sandbox


async def serve(sandbox: AsyncSandbox) -> None:
    await sandbox.fs.upload_file(APP.encode(), "app.py")
    await sandbox.process.create_session("app")
    await sandbox.process.execute_session_command(
        "app", SessionExecuteRequest(command="python app.py", run_async=True)
    )
    for _ in range(200):
        found = await sandbox.process.exec(f"grep -c ':{PORT:04X} .* 0A ' /proc/net/tcp")
        if found.result.strip() == "1":
            return
        await asyncio.sleep(0.05)


async def status(browser: aiohttp.ClientSession, url: str, **headers: str) -> int:
    async with browser.get(url, headers=headers, allow_redirects=False) as answer:
        return answer.status


class TestAccess:
    async def test_a_private_preview_wants_the_token_or_the_key(
        self, serving: AsyncSandbox, browser: aiohttp.ClientSession, host: HostProcess
    ) -> None:
        link = await serving.get_preview_link(PORT)

        assert await status(browser, link.url) == 401
        assert await status(browser, link.url, **{TOKEN: "wrong"}) == 401
        assert await status(browser, link.url, **{TOKEN: link.token}) == 200
        assert await status(browser, link.url, Authorization=f"Bearer {host.key}") == 200
        query = f"{link.url}?DAYTONA_SANDBOX_AUTH_KEY={link.token}"
        assert await status(browser, query) == 200

    async def test_what_opened_the_door_is_not_passed_on(
        self, serving: AsyncSandbox, browser: aiohttp.ClientSession, host: HostProcess
    ) -> None:
        link = await serving.get_preview_link(PORT)
        secret = f"{link.url}/p?a=1&DAYTONA_SANDBOX_AUTH_KEY={link.token}&b=2"

        account = {"Authorization": f"Bearer {host.key}"}

        async with browser.get(secret) as by_query:
            first = await by_query.json()
        async with browser.get(link.url, headers={TOKEN: link.token}) as by_header:
            second = await by_header.json()
        async with browser.get(link.url, headers=account) as by_key:
            third = await by_key.json()

        assert first["path"] == "/p?a=1&b=2"
        assert link.token not in str(first) + str(second)
        assert host.key not in str(third)

    async def test_an_application_gets_its_own_authorization(
        self, serving: AsyncSandbox, browser: aiohttp.ClientSession
    ) -> None:
        link = await serving.get_preview_link(PORT)
        headers = {TOKEN: link.token, "Authorization": "Bearer for-the-app"}

        async with browser.get(link.url, headers=headers) as answer:
            seen = (await answer.json())["headers"]

        assert seen["authorization"] == "Bearer for-the-app"

    async def test_a_public_sandbox_is_open_but_for_guarded_ports(
        self, daytona: AsyncDaytona, browser: aiohttp.ClientSession
    ) -> None:
        made = await daytona.create(CreateSandboxFromSnapshotParams(public=True))
        await serve(made)
        link = await made.get_preview_link(PORT)
        guarded = await made.get_preview_link(22222)

        assert await status(browser, link.url) == 200
        assert await status(browser, guarded.url) == 401
        await daytona.delete(made)

    async def test_a_signed_url_opens_its_port_until_it_expires(
        self, serving: AsyncSandbox, browser: aiohttp.ClientSession
    ) -> None:
        short = await serving.create_signed_preview_url(PORT, expires_in_seconds=1)
        long = await serving.create_signed_preview_url(PORT, expires_in_seconds=60)
        other_port = long.url.replace(f"//{PORT}-", "//8001-")

        assert await status(browser, long.url) == 200
        assert await status(browser, other_port) == 401
        await asyncio.sleep(1.1)
        async with browser.get(short.url) as expired:
            body = await expired.json()
        assert (expired.status, body["code"]) == (401, "UNAUTHORIZED")

    async def test_a_revoked_signed_url_is_closed(
        self, serving: AsyncSandbox, browser: aiohttp.ClientSession
    ) -> None:
        signed = await serving.create_signed_preview_url(PORT, expires_in_seconds=60)

        await serving.expire_signed_preview_url(PORT, signed.token)

        assert await status(browser, signed.url) == 401

    async def test_the_cookie_of_a_signed_visit_opens_the_same_page(
        self, serving: AsyncSandbox, browser: aiohttp.ClientSession
    ) -> None:
        signed = await serving.create_signed_preview_url(PORT, expires_in_seconds=60)
        async with browser.get(signed.url) as visit:
            cookie = visit.headers["Set-Cookie"].split(";")[0]
        await serving.expire_signed_preview_url(PORT, signed.token)

        assert "HttpOnly" in visit.headers["Set-Cookie"]
        assert await status(browser, signed.url, Cookie=cookie.replace("v1_", "v1_x")) == 401

    async def test_the_token_changes_with_a_start(
        self, serving: AsyncSandbox, browser: aiohttp.ClientSession
    ) -> None:
        before = await serving.get_preview_link(PORT)

        await serving.stop()
        await serving.start()
        after = await serving.get_preview_link(PORT)

        assert before.token != after.token
        assert await status(browser, before.url, **{TOKEN: before.token}) == 401

    @pytest.mark.parametrize("seconds", [-1, 86_401])
    async def test_a_signed_url_lives_at_most_a_day(
        self, sandbox: AsyncSandbox, seconds: int
    ) -> None:
        with pytest.raises(Exception, match="expiresInSeconds"):
            await sandbox.create_signed_preview_url(PORT, expires_in_seconds=seconds)


class TestForwarding:
    async def test_path_host_and_body_arrive_as_they_were(
        self, serving: AsyncSandbox, browser: aiohttp.ClientSession
    ) -> None:
        link = await serving.get_preview_link(PORT)
        raw = "/a%20b/%2Fc//d;e?x=%2B&y"

        async with browser.post(
            URL(link.url + raw, encoded=True), headers={TOKEN: link.token}, data=b"body" * 5000
        ) as answer:
            seen = await answer.json()

        assert (seen["path"], seen["method"]) == (raw, "POST")
        assert seen["headers"]["host"] == f"localhost:{PORT}"
        assert seen["headers"]["x-forwarded-host"] == URL(link.url).authority
        assert seen["body"] == "body" * 5000

    async def test_events_come_as_they_are_sent(
        self, serving: AsyncSandbox, browser: aiohttp.ClientSession
    ) -> None:
        link = await serving.get_preview_link(PORT)
        loop = asyncio.get_running_loop()

        async with browser.get(link.url + "/stream", headers={TOKEN: link.token}) as answer:
            first = await answer.content.readuntil(b"\n\n")
            at_first = loop.time()
            second = await answer.content.readuntil(b"\n\n")

        assert (first, second) == (b"data: 1\n\n", b"data: 2\n\n")
        assert loop.time() - at_first > 1

    async def test_redirects_are_handed_back(
        self, serving: AsyncSandbox, browser: aiohttp.ClientSession
    ) -> None:
        link = await serving.get_preview_link(PORT)

        assert await status(browser, link.url + "/away", **{TOKEN: link.token}) == 302

    async def test_websockets_keep_protocol_and_close_code(
        self, serving: AsyncSandbox, browser: aiohttp.ClientSession
    ) -> None:
        link = await serving.get_preview_link(PORT)

        async with browser.ws_connect(
            link.url + "/ws", headers={TOKEN: link.token}, protocols=["other", "chat.v1"]
        ) as socket:
            await socket.send_str("hi")
            answered = await socket.receive_str()
            await socket.send_str("close")
            closed = await socket.receive()

        assert (socket.protocol, answered) == ("chat.v1", "echo hi")
        assert (closed.type, closed.data, closed.extra) == (
            aiohttp.WSMsgType.CLOSE,
            4001,
            "enough",
        )

    async def test_a_preflight_is_answered_by_the_proxy(
        self, serving: AsyncSandbox, browser: aiohttp.ClientSession
    ) -> None:
        link = await serving.get_preview_link(PORT)
        asked = {"Origin": "http://page.example", "Access-Control-Request-Method": "POST"}

        async with browser.options(link.url, headers=asked) as answer:
            allowed = answer.headers["Access-Control-Allow-Origin"]

        assert (answer.status, allowed) == (204, "http://page.example")


class TestFailures:
    async def test_nothing_listening_is_an_empty_bad_gateway(
        self, sandbox: AsyncSandbox, browser: aiohttp.ClientSession
    ) -> None:
        link = await sandbox.get_preview_link(9999)

        async with browser.get(link.url, headers={TOKEN: link.token}) as answer:
            assert (answer.status, await answer.read()) == (502, b"")

    async def test_a_stopped_sandbox_is_a_bad_request(
        self, sandbox: AsyncSandbox, browser: aiohttp.ClientSession
    ) -> None:
        link = await sandbox.get_preview_link(PORT)
        await sandbox.stop()

        async with browser.get(link.url, headers={TOKEN: link.token}) as answer:
            body = await answer.json()

        assert (answer.status, body["code"]) == (400, "BAD_REQUEST")
        assert "Is the Sandbox started?" in body["message"]

    async def test_an_unknown_name_tells_nothing(
        self, sandbox: AsyncSandbox, browser: aiohttp.ClientSession
    ) -> None:
        link = await sandbox.get_preview_link(PORT)
        unknown = link.url.replace(sandbox.id, "abcdefgh12345678")

        assert await status(browser, unknown) == 401
