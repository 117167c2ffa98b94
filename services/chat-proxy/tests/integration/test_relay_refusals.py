"""What the relay refuses, in the words in which clients of OpenAI read it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiohttp import web
from chat_proxy.relay.app import Door, Limits
from chat_proxy.relay.testing import (
    ASKED,
    AUTH,
    DONE,
    OWNER,
    SSE,
    RelayWorld,
    error_of,
    says,
)
from common.contracts.sandbox import AUTHORIZE_RELAY
from common.errors import ErrorCode, NotFoundError
from common.ids import new_id


@pytest.fixture
async def world() -> AsyncIterator[RelayWorld]:
    async with AsyncExitStack() as stack:
        yield RelayWorld(stack)


class TestRefusals:
    @pytest.mark.parametrize(
        "header", ["", "Bearer", "Bearer ", "Basic relay-token", "Bearer " + "x" * 501]
    )
    async def test_without_a_token_nothing_is_asked(self, world: RelayWorld, header: str) -> None:
        await world.start()

        async with world.post(ASKED, Authorization=header) as answer:
            assert (await error_of(answer))[:2] == (401, "invalid_relay_token")

        assert world.services.asked == []

    async def test_another_token_is_refused(self, world: RelayWorld) -> None:
        await world.start()
        gone = NotFoundError("no", code=ErrorCode.SANDBOX_NOT_FOUND)
        world.services.answer(AUTHORIZE_RELAY, gone)

        async with world.post() as answer:
            assert (await error_of(answer))[:2] == (401, "invalid_relay_token")

        assert world.seen == []

    async def test_a_private_address_is_refused_unless_allowed(self, world: RelayWorld) -> None:
        await world.start(allow_private=False)

        for url in (world.provider_url, world.provider_url.replace("127.0.0.1", "localhost")):
            world.choose(url)
            async with world.post() as answer:
                assert (await error_of(answer))[:2] == (403, "host_refused")

        assert world.seen == []

    @pytest.mark.parametrize("declared", [True, False])
    async def test_a_body_too_large_is_refused(self, world: RelayWorld, *, declared: bool) -> None:
        await world.start()
        large = b" " * 100_001

        async def pieces() -> AsyncIterator[bytes]:
            yield large

        url = f"{world.relay_url}/llm/v1/chat/completions"
        data = large if declared else pieces()
        async with world.session.post(url, data=data, headers=AUTH) as answer:
            assert (await error_of(answer))[:2] == (413, "request_too_large")

    async def test_what_is_no_request_is_refused(self, world: RelayWorld) -> None:
        await world.start()

        async with world.post(b"nonsense") as answer:
            assert (await error_of(answer))[:2] == (400, "invalid_request")

    async def test_a_used_up_day_is_refused(self, world: RelayWorld) -> None:
        limits = Limits(max_body_bytes=1000, concurrent_per_owner=4, daily_token_cap=100)
        await world.start(limits=limits)
        world.handler = says(DONE)
        world.usage.used = {OWNER: 99, new_id("own"): 1000}
        async with world.post() as answer:
            assert answer.status == 200
        world.usage.used = {OWNER: 100}

        async with world.post() as answer:
            status, code, message = await error_of(answer)

        assert (status, code) == (429, "token_cap_reached")
        assert "100 tokens" in message

    async def test_one_owner_cannot_take_every_place(self, world: RelayWorld) -> None:
        await world.start(limits=Limits(max_body_bytes=1000, concurrent_per_owner=2))
        release = asyncio.Event()

        async def wait(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers=SSE)
            await response.prepare(request)
            await response.write(b": here\n\n")
            await release.wait()
            return response

        world.handler = wait

        async with world.post() as first, world.post() as second:
            assert (first.status, second.status) == (200, 200)
            async with world.post() as third:
                assert (await error_of(third))[:2] == (429, "too_many_calls")
            release.set()
            await first.read()
            await second.read()
        async with world.post() as fourth:
            assert fourth.status == 200

    @pytest.mark.parametrize(
        "path", ["/llm/v1/embeddings", "/llm/v1/models/a/../../../key", "/llm/v1/models/a%3Fb"]
    )
    async def test_other_paths_lead_nowhere(self, world: RelayWorld, path: str) -> None:
        await world.start()

        async with world.session.get(world.relay_url + path, headers=AUTH) as answer:
            assert answer.status in {400, 404}

        assert world.seen == []

    async def test_until_it_is_wired_it_says_so(self, world: RelayWorld) -> None:
        url = await world.listen(Door().app({}))

        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{url}/llm/v1/chat/completions") as answer,
        ):
            assert (await error_of(answer))[:2] == (503, "starting")
