"""Whole turns with the real Hermes, the relay and a provider that fails: which code the user gets,
how often the provider is asked, and what is counted.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from chat_proxy.adapters.mongo.usage import MongoCallLog, MongoUsage
from chat_proxy.relay.access import Access
from chat_proxy.relay.app import Door
from chat_proxy.relay.directory import BusDirectory
from chat_proxy.relay.egress import EgressPolicy
from chat_proxy.relay.relaying import Limits, Relay
from chat_proxy.relay.upstream import Timeouts, Upstream
from common.clock import utc_now
from common.contracts import chat
from common.contracts.chat import TurnState
from common.contracts.keys import GET_SETTINGS, REVEAL, OwnerSettings
from common.contracts.sandbox import AUTHORIZE_RELAY, RelayGrant
from common.errors import ErrorCode, NotFoundError, RateLimitedError
from common.testing.bus import FakeServices
from common.testing.servers import free_port

OWNER = "own_" + "a" * 20
SILENCE_S = 1.0
SSE = {"Content-Type": "text/event-stream"}
DONE = b"data: [DONE]\n\n"


def delta(text: str = "", finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    body = {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":3}}\n\n'
HELLO = (delta("Hello from "), delta("the model."), delta(finish="stop"), USAGE, DONE)
HANGS, CUTS = object(), object()


@dataclass
class Provider:
    """Answers with `status` and `body`, or with `parts` of a stream: bytes, HANGS or CUTS."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    parts: tuple[object, ...] = ()
    calls: Counter[str] = field(default_factory=Counter)

    def refuses(self, status: int, message: str, **headers: str) -> None:
        self.status = status
        self.body = json.dumps({"error": {"message": message}}).encode()
        self.headers = {"Content-Type": "application/json", **headers}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.calls[request.method] += 1
        if self.parts:
            return await self._stream(request)
        return web.Response(status=self.status, body=self.body, headers=self.headers)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=SSE)
        await response.prepare(request)
        for part in self.parts:
            if part is HANGS:
                await asyncio.Event().wait()
            elif part is CUTS:
                assert request.transport is not None
                request.transport.abort()
            else:
                assert isinstance(part, bytes)
                await response.write(part)
                await asyncio.sleep(0.02)
        return response


async def listen(stack: AsyncExitStack, app: web.Application, port: int) -> None:
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", port).start()


@dataclass
class Relayed:
    """A platform whose Hermes calls its model through a relay."""

    platform: Any
    provider: Provider

    async def says(self, text: str) -> tuple[chat.Turn, list[Any]]:
        session = await self.platform.session()
        turn = await self.platform.ended(await self.platform.say(session, text), within=60)
        return turn, await self.platform.entries(session.id)


RELAY_PORT, PROVIDER_PORT = free_port(), free_port()


@pytest.fixture(scope="module")
def model_url() -> str:
    return f"http://127.0.0.1:{RELAY_PORT}/llm"


@pytest.fixture(scope="module")
async def hermes(
    make_hermes: Callable[[Path, str], Any],
    model_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Any]:
    own = make_hermes(tmp_path_factory.mktemp("hermes"), model_url)
    await own.start()
    yield own
    await own.kill()


@pytest.fixture
async def relayed(
    hermes: Any,
    nats_url: str,
    mongodb_uri: str,
    serve_neighbours: Callable[[str], AbstractAsyncContextManager[Any]],
    make_platform: Callable[[str, str, Any], AbstractAsyncContextManager[Any]],
) -> AsyncIterator[Relayed]:
    async with AsyncExitStack() as stack:
        neighbours = await stack.enter_async_context(serve_neighbours(nats_url))
        platform = await stack.enter_async_context(
            make_platform(nats_url, mongodb_uri, neighbours)
        )
        provider = Provider()
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{rest:.*}", provider.handle)
        await listen(stack, app, PROVIDER_PORT)
        services = FakeServices()
        services.answer(AUTHORIZE_RELAY, RelayGrant(owner_id=OWNER, sandbox_id="s", in_use=1))
        services.answer(REVEAL, NotFoundError("none", code=ErrorCode.SECRET_NOT_FOUND))
        base_url = f"http://127.0.0.1:{PROVIDER_PORT}/v1"
        services.answer(
            GET_SETTINGS, OwnerSettings(provider="custom", model="m", base_url=base_url)
        )
        times = Timeouts(2, SILENCE_S, SILENCE_S, SILENCE_S)
        upstream = Upstream(EgressPolicy(allow_private=True), times)
        stack.push_async_callback(upstream.close)
        door = Door()
        door.relay = Relay(
            access=Access(BusDirectory(services), demo_url=None),
            upstream=upstream,
            calls=MongoCallLog(platform.database),
            usage=MongoUsage(platform.database),
            limits=Limits(max_body_bytes=2**22, concurrent_per_owner=4),
            clock=utc_now,
        )
        await listen(stack, door.app({}), RELAY_PORT)
        yield Relayed(platform, provider)


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "message", "headers", "code"),
        [
            (401, "Incorrect API key provided", {}, ErrorCode.PROVIDER_AUTH),
            (402, "Insufficient credits", {}, ErrorCode.PROVIDER_CREDIT),
            (403, "This key may not use the model", {}, ErrorCode.PROVIDER_AUTH),
            (404, "Nothing of that name", {}, ErrorCode.PROVIDER_ERROR),
            (429, "You exceeded your current quota", {}, ErrorCode.PROVIDER_CREDIT),
            (429, "Slow down", {"Retry-After": "120"}, ErrorCode.PROVIDER_RATE_LIMIT),
            (400, "That parameter is wrong", {}, ErrorCode.PROVIDER_ERROR),
        ],
    )
    async def test_they_reach_the_user_at_once_with_their_code_and_words(
        self,
        relayed: Relayed,
        status: int,
        message: str,
        headers: dict[str, str],
        code: ErrorCode,
    ) -> None:
        await relayed.platform.start()
        relayed.provider.refuses(status, message, **headers)

        turn, entries = await relayed.says("hello")

        assert turn.state is TurnState.FAILED
        assert turn.error is not None
        assert turn.error.code is code
        assert message in turn.error.detail
        assert entries[-1].error == turn.error
        assert relayed.provider.calls["POST"] == 1
        assert (turn.error.retry_at is not None) == bool(headers)

    @pytest.mark.parametrize(("status", "headers"), [(500, {}), (429, {"Retry-After": "1"})])
    async def test_what_may_pass_is_tried_again_before_it_fails(
        self, relayed: Relayed, status: int, headers: dict[str, str]
    ) -> None:
        await relayed.platform.start()
        relayed.provider.refuses(status, "Just now not", **headers)

        turn, _ = await relayed.says("hello")

        assert turn.error is not None
        assert turn.error.code in {ErrorCode.PROVIDER_ERROR, ErrorCode.PROVIDER_RATE_LIMIT}
        assert "Just now not" in turn.error.detail
        assert relayed.provider.calls["POST"] == 3


class TestAnswersThatAreNone:
    @pytest.mark.parametrize(
        ("status", "kind", "body"),
        [
            (200, "text/html", b"<html>Welcome</html>"),
            (200, "application/json", b'{"hello": "world"}'),
            (404, "text/html", b"<html>Not found</html>"),
        ],
    )
    async def test_a_page_says_to_look_at_the_base_url(
        self, relayed: Relayed, status: int, kind: str, body: bytes
    ) -> None:
        await relayed.platform.start()
        relayed.provider.status, relayed.provider.body = status, body
        relayed.provider.headers = {"Content-Type": kind}

        turn, _ = await relayed.says("hello")

        assert turn.error is not None
        assert turn.error.code is ErrorCode.PROVIDER_ERROR
        assert "is the base URL the one of its API?" in turn.error.detail
        assert turn.error.link == "/settings"
        assert relayed.provider.calls["POST"] == 1

    @pytest.mark.parametrize(
        ("parts", "words"),
        [
            ((delta("Half an "), CUTS), "ended its answer in the middle"),
            ((delta("Half an "),), "ended its answer in the middle"),
            (
                (delta("Half an "), b'data: {"error":{"message":"exploded"}}\n\n'),
                "failed in its answer: exploded",
            ),
            (
                (delta("Half an "), delta(finish="length"), USAGE, DONE),
                "stopped at its limit of tokens",
            ),
        ],
    )
    async def test_a_broken_answer_is_kept_and_explained(
        self, relayed: Relayed, parts: tuple[object, ...], words: str
    ) -> None:
        await relayed.platform.start()
        relayed.provider.parts = parts

        turn, entries = await relayed.says("hello")

        assert turn.error is not None
        assert turn.error.code is ErrorCode.PROVIDER_ERROR
        assert words in turn.error.detail
        assert any("Half an" in getattr(entry, "text", "") for entry in entries)

    @pytest.mark.parametrize("parts", [(HANGS,), (delta("Half an "), HANGS)])
    async def test_a_provider_that_hangs_is_waited_for_once(
        self, relayed: Relayed, parts: tuple[object, ...]
    ) -> None:
        await relayed.platform.start()
        relayed.provider.parts = parts

        turn, _ = await relayed.says("hello")

        assert turn.error is not None
        assert turn.error.code is ErrorCode.PROVIDER_ERROR
        assert "sent nothing for 1 seconds" in turn.error.detail
        assert relayed.provider.calls["POST"] == 1


class TestUsage:
    async def test_it_is_counted_for_turn_session_and_day(self, relayed: Relayed) -> None:
        await relayed.platform.start()
        relayed.provider.parts = HELLO

        turn, entries = await relayed.says("hello")

        assert turn.state is TurnState.COMPLETED
        assert turn.usage == chat.TokensUsed(
            calls=1, input_tokens=11, output_tokens=3, total_tokens=14
        )
        [usage] = [entry for entry in entries if entry.type == "usage"]
        assert (usage.input_tokens, usage.output_tokens, usage.calls) == (11, 3, 1)
        report = await relayed.platform.rpc.call(chat.GET_USAGE, chat.GetUsage(owner_id=OWNER))
        assert [day.total_tokens for day in report.days] == [14]
        assert [(one.session_id, one.total_tokens) for one in report.sessions] == [
            (turn.session_id, 14)
        ]
        stranger = chat.GetUsage(owner_id="own_" + "b" * 20)
        assert (await relayed.platform.rpc.call(chat.GET_USAGE, stranger)).days == []

    async def test_two_sessions_at_once_are_told_apart(self, relayed: Relayed) -> None:
        await relayed.platform.start()
        relayed.provider.parts = HELLO

        (one, _), (two, _) = await asyncio.gather(relayed.says("hello"), relayed.says("hello"))

        assert one.usage is not None
        assert one.usage.calls == 1
        assert one.usage == two.usage

    async def test_a_used_up_day_refuses_the_next_turn(self, relayed: Relayed) -> None:
        await relayed.platform.start()
        relayed.provider.parts = HELLO
        cap = await relayed.platform.rpc.call(
            chat.SET_CAP, chat.SetCap(owner_id=OWNER, daily_tokens=14)
        )
        assert (cap.daily_tokens, cap.used) == (14, 0)
        turn, _ = await relayed.says("hello")
        assert turn.state is TurnState.COMPLETED

        with pytest.raises(RateLimitedError) as refused:
            await relayed.says("again")

        assert refused.value.code is ErrorCode.QUOTA_EXCEEDED
        assert refused.value.retry_at == cap.resets_at
