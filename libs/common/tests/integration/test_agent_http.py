"""What speaks to agents goes nowhere else, whatever an agent answers."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from common.preview import open_agent_http


class Elsewhere:
    """A place inside that a sandbox would like us to call, and a sandbox that sends us there."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.url = ""
        self.agent = ""

    async def on_request(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        return web.Response(text="inside")

    async def on_agent(self, request: web.Request) -> web.Response:
        status = int(request.match_info["status"])
        return web.Response(status=status, headers={"Location": f"{self.url}/metadata"})


@pytest.fixture
async def elsewhere() -> AsyncIterator[Elsewhere]:
    inside = Elsewhere()
    runners = []
    for path, handler in (("/{rest:.*}", inside.on_request), ("/{status}", inside.on_agent)):
        app = web.Application()
        app.router.add_route("*", path, handler)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
    inside.url, inside.agent = (f"http://127.0.0.1:{r.addresses[0][1]}" for r in runners)
    yield inside
    for runner in runners:
        await runner.cleanup()


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_none_is_followed(self, elsewhere: Elsewhere, status: int) -> None:
        async with open_agent_http() as http:
            with pytest.raises(aiohttp.ClientError):
                await http.ws_connect(f"{elsewhere.agent}/{status}")
            with pytest.raises(aiohttp.ClientError):
                await http.get(f"{elsewhere.agent}/{status}")
            kept = await http.get(f"{elsewhere.agent}/{status}", allow_redirects=False)

        assert kept.status == status
        assert elsewhere.asked == []
