"""The named forwards and the network settings, on a host that has a forward."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from aiohttp import web
from daytona import AsyncDaytona, CreateSandboxFromSnapshotParams
from local_platform.daytona.testing import free_port

RELAY_PORT = free_port()
FORWARD = {"LOCAL_DAYTONA_FORWARDS": f"model-relay.internal:8090=127.0.0.1:{RELAY_PORT}"}
URL = "http://model-relay.internal:8090"
BY_PROXY = "-x http://127.0.0.1:3128 --noproxy ''"

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("relay"),
    pytest.mark.parametrize("own_host", [FORWARD], indirect=True),
]


async def events(request: web.Request) -> web.StreamResponse:
    """Two events, the second one late."""
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    await answer.write(b"data: 1\n\n")
    await asyncio.sleep(1)
    with suppress(ConnectionError):
        await answer.write(b"data: 2\n\n")
    return answer


@pytest.fixture
async def relay() -> AsyncIterator[None]:
    app = web.Application()
    app.add_routes([web.get("/{rest:.*}", events)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", RELAY_PORT).start()
    yield
    await runner.cleanup()


class TestForwards:
    async def test_a_forward_is_reached_by_its_name_and_streams(
        self, own_daytona: AsyncDaytona
    ) -> None:
        made = await own_daytona.create()

        whole = await made.process.exec(f"curl -sS {URL}/v1/models")
        early = await made.process.exec(f"curl -sSN -m 0.7 {URL}/v1/models")
        by_proxy = await made.process.exec(f"curl -sS {BY_PROXY} {URL}/")

        assert whole.result == by_proxy.result == "data: 1\n\ndata: 2\n\n"
        assert early.result.startswith("data: 1\n\n")
        assert "data: 2" not in early.result

    async def test_no_other_port_of_that_name_exists(self, own_daytona: AsyncDaytona) -> None:
        made = await own_daytona.create()

        direct = await made.process.exec(
            f"curl -sS --noproxy '*' http://model-relay.internal:{RELAY_PORT}/"
        )
        by_proxy = await made.process.exec(
            f"curl -sS {BY_PROXY} http://model-relay.internal:{RELAY_PORT}/"
        )

        assert direct.exit_code != 0
        assert "data:" not in by_proxy.result


class TestSettings:
    async def test_all_blocked_blocks_the_forward_too_and_live(
        self, own_daytona: AsyncDaytona
    ) -> None:
        made = await own_daytona.create(CreateSandboxFromSnapshotParams(network_block_all=True))
        blocked = await made.process.exec(f"curl -sS {URL}/")

        await made.update_network_settings(network_block_all=False)
        opened = await made.process.exec(f"curl -sS {URL}/")

        assert blocked.exit_code != 0
        assert opened.result == "data: 1\n\ndata: 2\n\n"

    async def test_a_list_of_domains_holds_for_all_names(self, own_daytona: AsyncDaytona) -> None:
        params = CreateSandboxFromSnapshotParams(domain_allow_list="*.internal")
        made = await own_daytona.create(params)

        allowed = await made.process.exec(f"curl -sS {URL}/")
        refused = await made.process.exec("curl -sS http://example.com/")

        assert allowed.exit_code == 0
        assert "not open to this sandbox" in refused.result

    async def test_a_change_ends_open_connections(self, own_daytona: AsyncDaytona) -> None:
        made = await own_daytona.create()
        running = asyncio.ensure_future(made.process.exec(f"curl -sSN {URL}/"))
        await asyncio.sleep(0.5)

        await made.update_network_settings(network_block_all=True)

        assert "data: 2" not in (await running).result
