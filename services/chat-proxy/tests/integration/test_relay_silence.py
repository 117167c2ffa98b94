"""Providers and sandboxes that fall silent, or go."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiohttp import web
from chat_proxy.relay.testing import (
    DONE,
    JSON,
    OF_SESSION,
    SSE,
    RelayWorld,
    error_of,
    says,
)


@pytest.fixture
async def world() -> AsyncIterator[RelayWorld]:
    async with AsyncExitStack() as stack:
        yield RelayWorld(stack)


class TestSilence:
    async def test_a_provider_that_never_answers_is_timed_out(self, world: RelayWorld) -> None:
        await world.start(first_byte_s=0.2)
        gone = asyncio.Event()

        async def hang(request: web.Request) -> web.StreamResponse:
            try:
                return await asyncio.Event().wait()  # type: ignore[return-value]  # it never does
            finally:
                gone.set()

        world.handler = hang

        async with world.post() as answer:
            assert (await error_of(answer))[:2] == (424, "provider_timeout")
        await asyncio.wait_for(gone.wait(), 10)

    async def test_headers_without_a_word_are_timed_out_with_a_status(
        self, world: RelayWorld
    ) -> None:
        await world.start(first_byte_s=0.2)

        async def mute(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers=SSE)
            await response.prepare(request)
            await asyncio.Event().wait()
            return response

        world.handler = mute

        async with world.post() as answer:
            assert (await error_of(answer))[:2] == (424, "provider_timeout")

    async def test_falling_silent_in_the_middle_ends_with_an_error_event(
        self, world: RelayWorld
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
        assert world.calls.tokens[0].is_estimated

    async def test_a_turn_whose_provider_fell_silent_waits_once_only(
        self, world: RelayWorld
    ) -> None:
        await world.start(first_byte_s=0.2)

        async def hang(request: web.Request) -> web.StreamResponse:
            return await asyncio.Event().wait()  # type: ignore[return-value]  # it never does

        world.handler = hang
        async with world.post(OF_SESSION) as first:
            waited = await error_of(first)
        world.handler = says(DONE)

        async with world.post(OF_SESSION) as again, world.post() as another:
            assert await error_of(again) == waited
            assert another.status == 200

        assert len(world.seen) == 2

    @pytest.mark.parametrize("end", [b"", b"<html>oops</html>"])
    async def test_a_stream_that_just_stops_does_not_look_complete(
        self, world: RelayWorld, end: bytes
    ) -> None:
        await world.start()
        world.handler = says(b'data: {"n":1}\n\n', end)

        async with world.post() as answer:
            assert "provider_cut_off" in await answer.text()

        assert len(world.calls.tokens) == len(world.calls.failures) == 1

    async def test_a_cut_stream_does_not_look_complete(self, world: RelayWorld) -> None:
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

    async def test_a_cut_whole_answer_is_cut_here_too(self, world: RelayWorld) -> None:
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

    async def test_a_sandbox_that_reads_nothing_holds_nothing(self, world: RelayWorld) -> None:
        await world.start(idle_s=0.3)
        let_go = asyncio.Event()

        async def flood(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers=SSE)
            await response.prepare(request)
            try:
                while True:
                    await response.write(b"data: " + b"x" * 65_536 + b"\n\n")
            finally:
                let_go.set()

        world.handler = flood

        async with world.post() as answer:
            assert answer.status == 200
            await asyncio.wait_for(let_go.wait(), 20)

        await asyncio.wait_for(world.calls.recorded.wait(), 10)

    async def test_when_the_sandbox_goes_the_provider_is_let_go(self, world: RelayWorld) -> None:
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
        await asyncio.wait_for(world.calls.recorded.wait(), 10)

        assert world.calls.tokens[0].is_estimated
