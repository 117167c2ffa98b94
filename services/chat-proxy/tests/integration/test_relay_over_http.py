"""What passes the relay, over real connections, and how it passes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from aiohttp import web
from chat_proxy.model.usage import Origin, Tokens
from chat_proxy.relay.testing import (
    ASKED,
    AUTH,
    DONE,
    JSON,
    KEY,
    OF_SESSION,
    OWNER,
    SESSION,
    SSE,
    TURN,
    USAGE,
    RelayWorld,
    error_of,
    says,
)
from common.contracts.keys import REVEAL, Revealed
from common.errors import ErrorCode
from common.testing.fakes import START
from pydantic import SecretStr

WHOLE_USAGE = {"usage": {"prompt_tokens": 2, "completion_tokens": 3}}


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
        [counted] = world.calls.written
        assert (counted.origin, counted.outcome) == (Origin(OWNER), Tokens(7, 5))
        assert (counted.provider, counted.model) == ("custom", "the-owners-model")

    async def test_a_call_counts_for_the_session_that_it_names(self, world: RelayWorld) -> None:
        await world.start()
        world.handler = says(USAGE, DONE)

        async with world.post(OF_SESSION) as answer:
            await answer.read()

        assert world.calls.written[0].origin == Origin(OWNER, SESSION, TURN)

    async def test_an_answer_is_counted_before_its_last_word_is_passed(
        self, world: RelayWorld
    ) -> None:
        await world.start()
        world.handler = says(b'data: {"n":1}\n\n', USAGE, DONE)

        async with world.post() as answer:
            body = b""
            while b"[DONE]" not in body:
                body += await answer.content.readany()

            assert world.calls.tokens == [Tokens(7, 5)]

    async def test_each_chunk_is_seen_before_the_next_is_sent(self, world: RelayWorld) -> None:
        await world.start()
        seen_by_client: asyncio.Queue[bytes] = asyncio.Queue()
        chunks = [*(b'data: {"n":%d}\n\n' % n for n in range(20)), DONE]

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
        assert world.calls.tokens[0] == Tokens(2, 3)

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
    @pytest.mark.parametrize("status", [400, 401, 402, 403, 429, 500, 503, 529])
    async def test_status_and_words_are_the_providers_own(
        self, world: RelayWorld, status: int
    ) -> None:
        await world.start()
        said = {"error": {"message": "It cannot be", "code": "no"}}
        headers = {**JSON, "Retry-After": "3"}
        world.handler = says(json.dumps(said).encode(), status=status, headers=headers)

        async with world.post() as answer:
            assert (answer.status, await answer.json()) == (status, said)

        assert answer.headers["Retry-After"] == "3"
        assert world.calls.tokens == []
        assert "It cannot be" in world.calls.failures[0].detail

    async def test_a_429_for_want_of_credit_is_not_tried_again(self, world: RelayWorld) -> None:
        await world.start()
        said = {"error": {"message": "You exceeded your current quota", "code": "x"}}
        world.handler = says(json.dumps(said).encode(), status=429, headers=JSON)

        async with world.post(OF_SESSION) as answer:
            assert answer.status == 402

        assert world.calls.failures[0].code is ErrorCode.PROVIDER_CREDIT

    async def test_a_long_wait_ends_the_turn_and_says_until_when(self, world: RelayWorld) -> None:
        await world.start()
        headers = {**JSON, "Retry-After": "600"}
        world.handler = says(b'{"error": {"message": "Slow"}}', status=429, headers=headers)

        async with world.post() as answer:
            status, code, message = await error_of(answer)

        assert (status, code) == (424, "provider_rate_limit")
        assert message.endswith("Slow")
        assert world.calls.failures[0].retry_at == START + timedelta(minutes=10)

    @pytest.mark.parametrize(("status", "passed"), [(404, 424), (403, 424), (502, 502)])
    async def test_a_page_instead_of_an_error_is_told_in_our_words(
        self, world: RelayWorld, status: int, passed: int
    ) -> None:
        await world.start()
        page = b"<!doctype html><title>Nothing here</title>"
        world.handler = says(page, status=status, headers={"Content-Type": "text/html"})

        async with world.post() as answer:
            got, _, message = await error_of(answer)

        assert got == passed
        assert "web page" in message
        assert message == world.calls.failures[0].detail

    @pytest.mark.parametrize(
        ("body", "headers", "error"),
        [
            (b"<html>Welcome</html>", {"Content-Type": "text/html"}, (424, "provider_no_api")),
            (b'{"hello": "world"}', JSON, (424, "provider_no_api")),
            (b"[]", JSON, (424, "provider_no_api")),
            (b"\n<html>Welcome</html>", SSE, (424, "provider_no_api")),
            (b"nonsense", JSON, (424, "provider_no_api")),
            (b'{"error": {"message": "exploded"}}', JSON, (502, "provider_failed")),
            (b"", SSE, (502, "provider_cut_off")),
        ],
    )
    async def test_a_good_status_without_an_answer_is_a_failure(
        self,
        world: RelayWorld,
        body: bytes,
        headers: dict[str, str],
        error: tuple[int, str],
    ) -> None:
        await world.start()
        world.handler = says(body, headers=headers)

        async with world.post() as answer:
            assert (await error_of(answer))[:2] == error

        assert world.calls.tokens == []
        assert [failure.code for failure in world.calls.failures] == [ErrorCode.PROVIDER_ERROR]

    async def test_a_whole_answer_where_a_stream_was_asked_passes(self, world: RelayWorld) -> None:
        await world.start()
        said = {"choices": [{"message": {}, "finish_reason": "stop"}], **WHOLE_USAGE}
        world.handler = says(json.dumps(said).encode(), headers=JSON)

        async with world.post() as answer:
            assert await answer.json() == said

        assert world.calls.tokens == [Tokens(2, 3)]

    async def test_an_error_in_the_middle_passes_and_is_written_down(
        self, world: RelayWorld
    ) -> None:
        await world.start()
        error = b'data: {"error":{"message":"exploded","code":502}}\n\n'
        world.handler = says(b'data: {"n":1}\n\n', error, DONE)

        async with world.post() as answer:
            assert error in await answer.read()

        assert len(world.calls.tokens) == 1
        assert world.calls.failures[0].detail.endswith("failed in its answer: exploded")

    async def test_an_error_at_which_the_sandbox_hangs_up_is_written_down(
        self, world: RelayWorld
    ) -> None:
        await world.start()

        async def explode(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers=SSE)
            await response.prepare(request)
            await response.write(b'data: {"error":{"message":"exploded"}}\n\n')
            await asyncio.Event().wait()
            return response

        world.handler = explode

        async with world.post() as answer:
            await answer.content.readany()
        await asyncio.wait_for(world.calls.recorded.wait(), 10)

        async with asyncio.timeout(5):
            while not world.calls.failures:
                await asyncio.sleep(0.01)
        assert world.calls.failures[0].detail.endswith("failed in its answer: exploded")

    async def test_a_key_that_the_provider_repeats_is_blotted_out(self, world: RelayWorld) -> None:
        await world.start()
        world.handler = says(f'{{"error": "bad key {KEY}!"}}'.encode(), status=401, headers=JSON)

        async with world.post() as answer:
            assert (await answer.json())["error"] == "bad key [key]!"

        assert KEY not in world.calls.failures[0].detail

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
            assert (await error_of(answer))[:2] == (424, "provider_redirects")

        assert len(world.seen) == 1

    async def test_a_provider_that_is_not_there_is_said(self, world: RelayWorld) -> None:
        await world.start()
        world.choose("http://127.0.0.1:1/v1")

        async with world.post() as answer:
            status, code, message = await error_of(answer)

        assert (status, code) == (502, "provider_unreachable")
        assert message.startswith("The endpoint at 127.0.0.1:1 cannot be reached")
