"""The relay's HTTP surface in front of a real upstream that does what a test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from chat_proxy.relay.access import Access, Target
from chat_proxy.relay.app import Door, Limits, Relay
from chat_proxy.relay.directory import BusDirectory
from chat_proxy.relay.egress import EgressPolicy
from chat_proxy.relay.upstream import Timeouts, Upstream
from chat_proxy.relay.usage import Tokens
from common.contracts.keys import GET_SETTINGS, REVEAL, OwnerSettings, Revealed
from common.contracts.sandbox import AUTHORIZE_RELAY, RelayGrant
from common.errors import ErrorCode, NotFoundError
from common.ids import new_id
from common.testing.bus import FakeServices
from common.testing.fakes import StoppedClock
from pydantic import SecretStr

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

OWNER, KEY = new_id("own"), "sk-real-0123456789"
AUTH = {"Authorization": "Bearer relay-token"}
ASKED: dict[str, Any] = {"model": "whatever", "messages": [], "stream": True}
SSE = {"Content-Type": "text/event-stream"}
JSON = {"Content-Type": "application/json"}
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5}}\n\n'
DONE = b"data: [DONE]\n\n"


@dataclass
class FakeUsage:
    added: list[tuple[str, str, Tokens]] = field(default_factory=list)
    used: int = 0
    recorded: asyncio.Event = field(default_factory=asyncio.Event)

    async def add(self, target: Target, tokens: Tokens, at: datetime) -> None:
        self.added.append((target.owner_id, target.model, tokens))
        self.recorded.set()

    async def total(self, owner_id: str, at: datetime) -> int:
        return self.used


@dataclass
class World:
    """A relay, the provider behind it, and the sandbox's client in front."""

    stack: AsyncExitStack
    services: FakeServices = field(default_factory=FakeServices)
    usage: FakeUsage = field(default_factory=FakeUsage)
    seen: list[web.Request] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    handler: Handler | None = None
    provider_url: str = ""
    relay_url: str = ""
    session: aiohttp.ClientSession = field(init=False)

    async def start(
        self,
        *,
        allow_private: bool = True,
        idle_s: float = 30,
        first_byte_s: float = 30,
        limits: Limits | None = None,
    ) -> None:
        provider = web.Application(client_max_size=2**26)
        provider.router.add_route("*", "/{rest:.*}", self._provide)
        self.provider_url = await self.listen(provider) + "/v1"
        times = Timeouts(5, first_byte_s, first_byte_s, idle_s)
        upstream = Upstream(EgressPolicy(allow_private=allow_private), times)
        self.stack.push_async_callback(upstream.close)
        door = Door()
        door.relay = Relay(
            access=Access(BusDirectory(self.services), demo_url=self.provider_url),
            upstream=upstream,
            usage=self.usage,
            limits=limits or Limits(max_body_bytes=100_000, concurrent_per_owner=4),
            clock=StoppedClock(),
        )
        self.relay_url = await self.listen(door.app({}))
        self.session = await self.stack.enter_async_context(aiohttp.ClientSession())
        self.services.answer(AUTHORIZE_RELAY, RelayGrant(owner_id=OWNER, sandbox_id="sbx_1"))
        self.services.answer(REVEAL, Revealed(value=SecretStr(KEY), version=1))
        self.choose(self.provider_url)

    def choose(self, base_url: str) -> None:
        self.services.answer(
            GET_SETTINGS,
            OwnerSettings(provider="custom", model="the-owners-model", base_url=base_url),
        )

    def choose_demo(self) -> None:
        self.services.answer(GET_SETTINGS, OwnerSettings(provider="demo", model="demo"))

    def post(self, body: object = ASKED, **headers: str) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.session.post(
            f"{self.relay_url}/llm/v1/chat/completions", data=data, headers={**AUTH, **headers}
        )

    async def _provide(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        if request.method == "POST":
            self.bodies.append(await request.json())
        assert self.handler is not None
        return await self.handler(request)

    async def listen(self, app: web.Application) -> str:
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(stack)


def says(*chunks: bytes, status: int = 200, headers: dict[str, str] = SSE) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        return response

    return handle


async def error_of(answer: aiohttp.ClientResponse) -> tuple[int, str, str]:
    error = (await answer.json())["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return answer.status, error["code"], error["message"]


class TestPassing:
    async def test_the_real_key_and_the_owners_model_go_out(self, world: World) -> None:
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

    async def test_each_chunk_is_seen_before_the_next_is_sent(self, world: World) -> None:
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

    async def test_no_header_of_the_sandbox_reaches_the_provider(self, world: World) -> None:
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

    async def test_only_meaningful_headers_of_the_provider_come_back(self, world: World) -> None:
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

    async def test_a_whole_answer_passes_too(self, world: World) -> None:
        await world.start()
        said = {"choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": 3}}
        world.handler = says(json.dumps(said).encode(), headers=JSON)

        async with world.post({"messages": []}) as answer:
            assert await answer.json() == said

        assert world.seen[0].headers["Accept"] == "application/json"
        assert world.usage.added[0][2] == Tokens(2, 3)

    async def test_the_demo_model_is_called_without_a_key(self, world: World) -> None:
        await world.start(allow_private=False)
        world.choose_demo()
        world.handler = says(DONE)

        async with world.post() as answer:
            await answer.read()

        assert answer.status == 200
        assert "Authorization" not in world.seen[0].headers

    async def test_models_are_the_providers(self, world: World) -> None:
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
    async def test_status_and_words_are_the_providers_own(self, world: World, status: int) -> None:
        await world.start()
        said = {"error": {"message": "Insufficient credits", "code": 402}}
        headers = {**JSON, "Retry-After": "3"}
        world.handler = says(json.dumps(said).encode(), status=status, headers=headers)

        async with world.post() as answer:
            assert (answer.status, await answer.json()) == (status, said)

        assert answer.headers["Retry-After"] == "3"
        assert world.usage.added == []

    async def test_a_key_that_the_provider_repeats_is_blotted_out(self, world: World) -> None:
        await world.start()
        world.handler = says(f"bad key {KEY}!".encode(), status=401)

        async with world.post() as answer:
            assert await answer.text() == "bad key [key]!"

    async def test_after_a_refused_key_it_is_asked_for_again(self, world: World) -> None:
        await world.start()
        world.handler = says(b"{}", status=401)
        async with world.post():
            pass
        world.services.answer(REVEAL, Revealed(value=SecretStr("sk-new"), version=2))
        world.handler = says(DONE)

        async with world.post() as answer:
            await answer.read()

        assert world.seen[1].headers["Authorization"] == "Bearer sk-new"

    async def test_a_redirect_is_not_followed(self, world: World) -> None:
        await world.start()
        world.handler = says(status=302, headers={"Location": f"{world.provider_url}/elsewhere"})

        async with world.post() as answer:
            assert (await error_of(answer))[:2] == (502, "provider_redirects")

        assert len(world.seen) == 1

    async def test_a_provider_that_is_not_there_is_said(self, world: World) -> None:
        await world.start()
        world.choose("http://127.0.0.1:1/v1")

        async with world.post() as answer:
            assert (await error_of(answer))[:2] == (502, "provider_unreachable")


class TestSilence:
    async def test_a_provider_that_never_answers_is_timed_out(self, world: World) -> None:
        await world.start(first_byte_s=0.2)
        gone = asyncio.Event()

        async def hang(request: web.Request) -> web.StreamResponse:
            try:
                return await asyncio.Event().wait()  # type: ignore[return-value]  # it never does
            finally:
                gone.set()

        world.handler = hang

        async with world.post() as answer:
            assert (await error_of(answer))[:2] == (504, "provider_timeout")
        await asyncio.wait_for(gone.wait(), 10)

    async def test_headers_without_a_word_are_timed_out_with_a_status(self, world: World) -> None:
        await world.start(first_byte_s=0.2)

        async def mute(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers=SSE)
            await response.prepare(request)
            await asyncio.Event().wait()
            return response

        world.handler = mute

        async with world.post() as answer:
            assert (await error_of(answer))[:2] == (504, "provider_timeout")

    async def test_falling_silent_in_the_middle_ends_with_an_error_event(
        self, world: World
    ) -> None:
        await world.start(idle_s=0.2)

        async def fall_silent(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers=SSE)
            await response.prepare(request)
            await response.write(b'data: {"n":1}\n\n')
            await asyncio.Event().wait()
            return response

        world.handler = fall_silent

        async with world.post() as answer:
            first, second, end = (await answer.text()).split("\n\n")

        assert (first, end) == ('data: {"n":1}', "")
        assert json.loads(second.removeprefix("data: "))["error"]["code"] == "provider_timeout"
        assert world.usage.added[0][2].is_estimated

    async def test_a_cut_stream_does_not_look_complete(self, world: World) -> None:
        await world.start()

        async def cut(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers=SSE)
            await response.prepare(request)
            await response.write(b'data: {"n":1}\n\n')
            assert request.transport is not None
            request.transport.abort()
            return response

        world.handler = cut

        async with world.post() as answer:
            body = await answer.text()

        assert "provider_cut_off" in body
        assert "[DONE]" not in body

    async def test_a_cut_whole_answer_is_cut_here_too(self, world: World) -> None:
        await world.start()

        async def cut(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={**JSON, "Content-Length": "100"})
            await response.prepare(request)
            await response.write(b'{"choices"')
            assert request.transport is not None
            request.transport.abort()
            return response

        world.handler = cut

        with pytest.raises(aiohttp.ClientError):
            async with world.post({"messages": []}) as answer:
                await answer.read()

    async def test_when_the_sandbox_goes_the_provider_is_let_go(self, world: World) -> None:
        await world.start()
        let_go = asyncio.Event()

        async def talk_on(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers=SSE)
            await response.prepare(request)
            try:
                await response.write(b'data: {"n":1}\n\n')
                await asyncio.Event().wait()
            finally:
                let_go.set()
            return response

        world.handler = talk_on

        async with world.post() as answer:
            await answer.content.readany()
        await asyncio.wait_for(let_go.wait(), 10)
        await asyncio.wait_for(world.usage.recorded.wait(), 10)

        assert world.usage.added[0][2].is_estimated


class TestRefusals:
    @pytest.mark.parametrize(
        "header", ["", "Bearer", "Bearer ", "Basic relay-token", "Bearer " + "x" * 501]
    )
    async def test_without_a_token_nothing_is_asked(self, world: World, header: str) -> None:
        await world.start()

        async with world.post(ASKED, Authorization=header) as answer:
            assert (await error_of(answer))[:2] == (401, "invalid_relay_token")

        assert world.services.asked == []

    async def test_another_token_is_refused(self, world: World) -> None:
        await world.start()
        gone = NotFoundError("no", code=ErrorCode.SANDBOX_NOT_FOUND)
        world.services.answer(AUTHORIZE_RELAY, gone)

        async with world.post() as answer:
            assert (await error_of(answer))[:2] == (401, "invalid_relay_token")

        assert world.seen == []

    async def test_a_private_address_is_refused_unless_allowed(self, world: World) -> None:
        await world.start(allow_private=False)

        for url in (world.provider_url, world.provider_url.replace("127.0.0.1", "localhost")):
            world.choose(url)
            async with world.post() as answer:
                assert (await error_of(answer))[:2] == (403, "host_refused")

        assert world.seen == []

    @pytest.mark.parametrize("declared", [True, False])
    async def test_a_body_too_large_is_refused(self, world: World, *, declared: bool) -> None:
        await world.start()
        large = b" " * 100_001

        async def pieces() -> AsyncIterator[bytes]:
            yield large

        url = f"{world.relay_url}/llm/v1/chat/completions"
        data = large if declared else pieces()
        async with world.session.post(url, data=data, headers=AUTH) as answer:
            assert (await error_of(answer))[:2] == (413, "request_too_large")

    async def test_what_is_no_request_is_refused(self, world: World) -> None:
        await world.start()

        async with world.post(b"nonsense") as answer:
            assert (await error_of(answer))[:2] == (400, "invalid_request")

    async def test_a_used_up_day_is_refused(self, world: World) -> None:
        limits = Limits(max_body_bytes=1000, concurrent_per_owner=4, daily_token_cap=100)
        await world.start(limits=limits)
        world.handler = says(DONE)
        world.usage.used = 99
        async with world.post() as answer:
            assert answer.status == 200
        world.usage.used = 100

        async with world.post() as answer:
            status, code, message = await error_of(answer)

        assert (status, code) == (429, "token_cap_reached")
        assert "100 tokens" in message

    async def test_one_owner_cannot_take_every_place(self, world: World) -> None:
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
    async def test_other_paths_lead_nowhere(self, world: World, path: str) -> None:
        await world.start()

        async with world.session.get(world.relay_url + path, headers=AUTH) as answer:
            assert answer.status in {400, 404}

        assert world.seen == []

    async def test_until_it_is_wired_it_says_so(self, world: World) -> None:
        url = await world.listen(Door().app({}))

        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{url}/llm/v1/chat/completions") as answer,
        ):
            assert (await error_of(answer))[:2] == (503, "starting")
