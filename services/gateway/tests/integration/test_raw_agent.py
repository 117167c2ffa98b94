"""The way to an agent's own API, over real connections: the contract of the fake in the unit
tests.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from common.errors import ErrorCode, ForbiddenError, UnavailableError
from common.preview import PreviewGuard, open_agent_http
from common.testing.servers import free_port
from gateway.adapters.agents import PreviewAgents
from gateway.ports import AgentCall

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Agent:
    agents: PreviewAgents
    url: str
    seen: list[web.Request] = field(default_factory=list)
    handler: Handler | None = None

    def call(self, method: str = "GET", path: str = "/health", **more: Any) -> AgentCall:
        return AgentCall(method, self.url + path, {"Authorization": "Bearer k"}, **more)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        assert self.handler is not None
        return await self.handler(request)


@pytest.fixture
async def agent() -> AsyncIterator[Agent]:
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(open_agent_http())
        port = free_port()
        domain = f"localhost:{port}"
        own = Agent(PreviewAgents(http, PreviewGuard((domain,))), f"http://8642-agent.{domain}")
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", own.handle)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield own


class TestSend:
    async def test_status_headers_and_body_are_the_agents(self, agent: Agent) -> None:
        async def teapot(request: web.Request) -> web.StreamResponse:
            return web.Response(status=418, text=await request.text(), headers={"X-A": "b"})

        agent.handler = teapot

        async with agent.agents.send(agent.call("POST", body=b"hello")) as answer:
            parts = [chunk async for chunk in answer.chunks()]

        assert (answer.status, answer.headers["x-a"], b"".join(parts)) == (418, "b", b"hello")
        assert agent.seen[0].headers["Authorization"] == "Bearer k"

    async def test_each_chunk_comes_before_the_next_is_made(self, agent: Agent) -> None:
        taken = asyncio.Queue[bytes]()

        async def one_by_one(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            for number in range(5):
                await response.write(b"%d" % number)
                assert await asyncio.wait_for(taken.get(), 10) == b"%d" % number
            return response

        agent.handler = one_by_one

        async with agent.agents.send(agent.call()) as answer:
            async for chunk in answer.chunks():
                taken.put_nowait(chunk)

        assert taken.empty()

    async def test_a_redirect_is_not_followed(self, agent: Agent) -> None:
        async def away(request: web.Request) -> web.StreamResponse:
            raise web.HTTPFound("http://127.0.0.1:1/elsewhere")

        agent.handler = away

        async with agent.agents.send(agent.call()) as answer:
            assert answer.status == 302

        assert len(agent.seen) == 1

    async def test_when_it_is_left_the_agent_is_let_go(self, agent: Agent) -> None:
        let_go = asyncio.Event()

        async def talk_on(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            try:
                await response.write(b"first")
                await asyncio.Event().wait()
            finally:
                let_go.set()
            return response

        agent.handler = talk_on

        async with agent.agents.send(agent.call()) as answer:
            async for _ in answer.chunks():
                break

        await asyncio.wait_for(let_go.wait(), 10)

    async def test_an_answer_that_breaks_off_is_a_lost_agent(self, agent: Agent) -> None:
        async def cut(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"half")
            assert request.transport is not None
            request.transport.abort()
            return response

        agent.handler = cut

        async with agent.agents.send(agent.call()) as answer:
            with pytest.raises(UnavailableError) as lost:
                _ = [chunk async for chunk in answer.chunks()]

        assert lost.value.code is ErrorCode.AGENT_LOST
        assert "8642-agent" not in lost.value.detail

    async def test_nobody_there_is_a_lost_agent(self, agent: Agent) -> None:
        http_guard = PreviewGuard(("localhost:1",))
        nobody = PreviewAgents(agent.agents._http, http_guard)
        call = AgentCall("GET", "http://8642-agent.localhost:1/health", {})

        with pytest.raises(UnavailableError) as lost:
            async with nobody.send(call):
                pass

        assert lost.value.code is ErrorCode.AGENT_LOST

    @pytest.mark.parametrize(
        "url",
        [
            "http://127.0.0.1:8000/health",
            "http://8642-agent.localhost:9/health",
            "http://22222-agent.localhost:{port}/",
            "https://8642-agent.evil.example/health",
            "file:///etc/passwd",
        ],
    )
    async def test_other_addresses_are_not_called(self, agent: Agent, url: str) -> None:
        port = agent.url.rpartition(":")[2]
        call = AgentCall("GET", url.format(port=port), {})

        with pytest.raises(ForbiddenError):
            async with agent.agents.send(call):
                pass

        assert agent.seen == []
