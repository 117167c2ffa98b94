"""What passes the relay, over real connections, and how it passes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from chat_proxy.relay.testing import (
    ASKED,
    AUTH,
    DONE,
    JSON,
    KEY,
    OWNER,
    SSE,
    USAGE,
    RelayWorld,
    error_of,
    says,
)
from chat_proxy.relay.usage import Tokens
from common.contracts.keys import REVEAL, Revealed
from pydantic import SecretStr


@pytest.fixture
async def world() -> AsyncIterator[RelayWorld]:
    async with AsyncExitStack() as stack:
        yield RelayWorld(stack)


class TestPassing:
    async def test_the_real_key_and_the_owners_model_go_out(self, world: RelayWorld) -> None:
        await world.start()
        world.handler = says(b'data: {"n":1}\n\n', USAGE, DONE)

        async with world.post() as answer:
            body = await answer.read()

        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        assert body == b'data: {"n":1}\n\n' + USAGE + DONE
        assert world.seen[0].path == "/v1/chat/completions"
        assert world.seen[0].headers["Authorization"] == f"Bearer {KEY}"
        assert world.bodies[0] == {**ASKED, "model": "the-owners-model"}
        assert world.usage.added == [(OWNER, "the-owners-model", Tokens(7, 5))]

    async def test_each_chunk_is_seen_before_the_next_is_sent(self, world: RelayWorld) -> None:
        await world.start()
        seen_by_client: asyncio.Queue[bytes] = asyncio.Queue()
        chunks = [b'data: {"n":%d}\n\n' % n for n in range(20)]

        async def one_after_another(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers=SSE)
            await response.prepare(request)
            for chunk in chunks:
                await response.write(chunk)
                assert await asyncio.wait_for(seen_by_client.get(), 10) == chunk
            return response

        world.handler = one_after_another

        async with world.post() as answer:
            async for chunk in answer.content.iter_any():
                seen_by_client.put_nowait(chunk)

        assert answer.status == 200
        assert seen_by_client.empty()

    async def test_no_header_of_the_sandbox_reaches_the_provider(self, world: RelayWorld) -> None:
        await world.start()
        world.handler = says(DONE)
        sent = {
            "Cookie": "a=b",
            "X-Secret": "1",
            "X-Forwarded-For": "10.0.0.1",
            "Origin": "http://x",
        }

        async with world.post(ASKED, **sent) as answer:
            await answer.read()

        assert set(world.seen[0].headers) == {
            *("Host", "Authorization", "Accept", "Accept-Encoding", "Content-Type"),
            *("Content-Length", "User-Agent"),
        }

    async def test_only_meaningful_headers_of_the_provider_come_back(
        self, world: RelayWorld
    ) -> None:
        await world.start()
        headers = {
            **SSE,
            "Set-Cookie": "a=b",
            "X-Ratelimit-Remaining-Tokens": "5",
            "X-Request-Id": "r1",
            "Openai-Organization": "org",
            "Connection": "keep-alive",
            "Server": "x",
        }
        world.handler = says(DONE, headers=headers)

        async with world.post() as answer:
            await answer.read()

        assert answer.headers["X-Ratelimit-Remaining-Tokens"] == "5"
        assert answer.headers["X-Request-Id"] == "r1"
        assert not {"Set-Cookie", "Openai-Organization"} & set(answer.headers)

    async def test_a_whole_answer_passes_too(self, world: RelayWorld) -> None:
        await world.start()
        said = {"choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": 3}}
        world.handler = says(json.dumps(said).encode(), headers=JSON)

        async with world.post({"messages": []}) as answer:
            assert await answer.json() == said

        assert world.seen[0].headers["Accept"] == "application/json"
        assert world.usage.added[0][2] == Tokens(2, 3)

    async def test_the_demo_model_is_called_without_a_key(self, world: RelayWorld) -> None:
        await world.start(allow_private=False)
        world.choose_demo()
        world.handler = says(DONE)

        async with world.post() as answer:
            await answer.read()

        assert answer.status == 200
        assert "Authorization" not in world.seen[0].headers

    async def test_models_are_the_providers(self, world: RelayWorld) -> None:
        await world.start()
        world.handler = says(b'{"data":[]}', headers=JSON)
        url = f"{world.relay_url}/llm/v1/models"

        for path in ("", "/anthropic/claude-sonnet-4.5"):
            async with world.session.get(url + path, headers=AUTH) as answer:
                assert await answer.json() == {"data": []}

        paths = [request.path for request in world.seen]
        assert paths == ["/v1/models", "/v1/models/anthropic/claude-sonnet-4.5"]


class TestProviderErrors:
    @pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 429, 500, 503, 529])
    async def test_status_and_words_are_the_providers_own(
        self, world: RelayWorld, status: int
    ) -> None:
        await world.start()
        said = {"error": {"message": "Insufficient credits", "code": 402}}
        headers = {**JSON, "Retry-After": "3"}
        world.handler = says(json.dumps(said).encode(), status=status, headers=headers)

        async with world.post() as answer:
            assert (answer.status, await answer.json()) == (status, said)

        assert answer.headers["Retry-After"] == "3"
        assert world.usage.added == []

    async def test_a_key_that_the_provider_repeats_is_blotted_out(self, world: RelayWorld) -> None:
        await world.start()
        world.handler = says(f"bad key {KEY}!".encode(), status=401)

        async with world.post() as answer:
            assert await answer.text() == "bad key [key]!"

    async def test_after_a_refused_key_it_is_asked_for_again(self, world: RelayWorld) -> None:
        await world.start()
        world.handler = says(b"{}", status=401)
        async with world.post():
            pass
        world.services.answer(REVEAL, Revealed(value=SecretStr("sk-new"), version=2))
        world.handler = says(DONE)

        async with world.post() as answer:
            await answer.read()

        assert world.seen[1].headers["Authorization"] == "Bearer sk-new"

    async def test_a_redirect_is_not_followed(self, world: RelayWorld) -> None:
        await world.start()
        world.handler = says(status=302, headers={"Location": f"{world.provider_url}/elsewhere"})

        async with world.post() as answer:
            assert (await error_of(answer))[:2] == (502, "provider_redirects")

        assert len(world.seen) == 1

    async def test_a_provider_that_is_not_there_is_said(self, world: RelayWorld) -> None:
        await world.start()
        world.choose("http://127.0.0.1:1/v1")

        async with world.post() as answer:
            assert (await error_of(answer))[:2] == (502, "provider_unreachable")
