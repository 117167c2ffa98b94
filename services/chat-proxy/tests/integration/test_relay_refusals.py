"""What the relay refuses, in the words in which clients of OpenAI read it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiohttp import web
from chat_proxy.model.usage import next_day
from chat_proxy.relay.app import Door
from chat_proxy.relay.relaying import Limits
from chat_proxy.relay.testing import (
    ASKED,
    AUTH,
    DONE,
    OF_SESSION,
    OWNER,
    SSE,
    TURN,
    RelayWorld,
    error_of,
    says,
)
from common.contracts.keys import GET_SETTINGS, REVEAL, OwnerSettings
from common.contracts.sandbox import AUTHORIZE_RELAY, RelayGrant
from common.errors import ErrorCode, NotFoundError
from common.ids import new_id
from common.testing.fakes import START


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

    @pytest.mark.parametrize("own", [None, 80])
    async def test_a_used_up_day_is_refused_between_turns(
        self, world: RelayWorld, own: int | None
    ) -> None:
        limits = Limits(max_body_bytes=1000, concurrent_per_owner=4, daily_tokens=100)
        await world.start(limits=limits)
        world.handler = says(DONE)
        cap = own or 100
        world.calls.caps = {OWNER: own} if own else {}
        world.calls.used = {OWNER: cap - 1, new_id("own"): 1000}
        async with world.post() as answer:
            assert answer.status == 200
        world.calls.used = {OWNER: cap}

        async with world.post() as answer:
            status, code, message = await error_of(answer)

        assert (status, code) == (424, "token_cap_reached")
        assert f"{cap} tokens" in message
        assert world.calls.failures[0].code is ErrorCode.QUOTA_EXCEEDED
        assert world.calls.failures[0].retry_at == next_day(START)

    async def test_a_used_up_day_never_cuts_a_running_turn(self, world: RelayWorld) -> None:
        limits = Limits(max_body_bytes=1000, concurrent_per_owner=4, daily_tokens=100)
        await world.start(limits=limits)
        world.calls.used = {OWNER: 1000}
        world.handler = says(DONE)
        idle = RelayGrant(owner_id=OWNER, sandbox_id="sbx_1")
        world.services.answer(AUTHORIZE_RELAY, idle)
        async with world.post() as answer:
            assert answer.status == 424
        world.services.answer(AUTHORIZE_RELAY, idle.model_copy(update={"in_use": 1}))

        async with world.post() as answer:
            assert answer.status == 200

    async def test_a_missing_key_is_written_down_for_the_turn(self, world: RelayWorld) -> None:
        await world.start()
        settings = OwnerSettings(provider="openrouter", model="m")
        world.services.answer(GET_SETTINGS, settings)
        missing = NotFoundError("no such secret", code=ErrorCode.SECRET_NOT_FOUND)
        world.services.answer(REVEAL, missing)

        async with world.post(OF_SESSION) as answer:
            assert (await error_of(answer))[:2] == (401, "missing_key")

        [written] = world.calls.written
        assert written.origin.turn_id == TURN
        assert world.calls.failures[0].code is ErrorCode.PROVIDER_AUTH

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
