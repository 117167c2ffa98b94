"""RPC over the real nats-server."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from common.contracts.base import Message, Request, Rpc
from common.errors import (
    ErrorCode,
    InternalError,
    InvalidError,
    NotFoundError,
    TooLargeError,
    UnavailableError,
)
from common.ids import new_id
from common.messaging.connection import connect
from common.messaging.rpc import RpcClient, RpcServer
from common.testing.servers import free_port, script
from nats.aio.client import Client

LATER = datetime(2026, 1, 2, tzinfo=UTC)


class Ask(Request):
    text: str


class Answer(Message):
    text: str


def echo_rpc() -> Rpc[Ask, Answer]:
    """An RPC of its own for each test: subjects outlive a test's subscriptions."""
    return Rpc(f"rpc.test.{new_id('echo')}.v1", Ask, Answer)


@pytest.fixture
async def server(nats_connection: Client) -> AsyncIterator[RpcServer]:
    async with RpcServer(nats_connection, service="test") as server:
        yield server


@pytest.fixture
def client(nats_connection: Client) -> RpcClient:
    return RpcClient(nats_connection, timeout=timedelta(seconds=5))


class TestCall:
    async def test_a_reply_comes_back_typed(self, server: RpcServer, client: RpcClient) -> None:
        rpc = echo_rpc()

        async def echo(request: Ask) -> Answer:
            return Answer(text=request.text)

        await server.serve(rpc, echo)

        assert await client.call(rpc, Ask(text="hé")) == Answer(text="hé")

    async def test_the_callers_error_is_the_servers(
        self, server: RpcServer, client: RpcClient
    ) -> None:
        rpc = echo_rpc()

        async def refuse(request: Ask) -> Answer:
            raise NotFoundError(
                "no\nsuch", code=ErrorCode.SKILL_NOT_FOUND, extra={"candidates": [request.text]}
            )

        await server.serve(rpc, refuse)

        with pytest.raises(NotFoundError) as error:
            await client.call(rpc, Ask(text="x"))

        assert error.value.code is ErrorCode.SKILL_NOT_FOUND
        assert (error.value.detail, error.value.extra) == ("no\nsuch", {"candidates": ["x"]})

    async def test_the_text_of_a_bug_stays_inside(
        self, server: RpcServer, client: RpcClient
    ) -> None:
        rpc = echo_rpc()

        async def fail(request: Ask) -> Answer:
            raise KeyError("s3cret")

        await server.serve(rpc, fail)

        with pytest.raises(InternalError) as error:
            await client.call(rpc, Ask(text="x"))

        assert "s3cret" not in error.value.detail

    async def test_a_refused_request_does_not_repeat_its_values(
        self, server: RpcServer, client: RpcClient, nats_connection: Client
    ) -> None:
        rpc = echo_rpc()

        async def echo(request: Ask) -> Answer:
            return Answer(text=request.text)

        await server.serve(rpc, echo)
        reply = await nats_connection.request(rpc.subject, b'{"text": 1, "key": "s3cret"}')

        assert b"s3cret" not in reply.data
        assert (reply.headers or {})["Nats-Service-Error-Code"] == "invalid_request"

    async def test_nobody_there_is_said_at_once(self, client: RpcClient) -> None:
        with pytest.raises(UnavailableError, match="test is not running"):
            await client.call(echo_rpc(), Ask(text="x"))

    async def test_a_slow_handler_stops_when_its_caller_has_gone(
        self, server: RpcServer, client: RpcClient
    ) -> None:
        rpc, stopped = echo_rpc(), asyncio.Event()

        async def hang(request: Ask) -> Answer:
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()
            return Answer(text="never")

        await server.serve(rpc, hang)

        with pytest.raises(UnavailableError) as error:
            await client.call(rpc, Ask(text="x"), within=timedelta(milliseconds=200))

        assert error.value.code is ErrorCode.DEADLINE_EXCEEDED
        await asyncio.wait_for(stopped.wait(), 5)

    async def test_slow_requests_do_not_hold_up_each_other(
        self, server: RpcServer, client: RpcClient
    ) -> None:
        rpc, together = echo_rpc(), asyncio.Barrier(20)

        async def meet(request: Ask) -> Answer:
            await together.wait()
            return Answer(text=request.text)

        await server.serve(rpc, meet)
        answers = await asyncio.gather(*(client.call(rpc, Ask(text=str(n))) for n in range(20)))

        assert [answer.text for answer in answers] == [str(n) for n in range(20)]

    async def test_an_answer_too_large_for_a_message_is_an_error(
        self, server: RpcServer, client: RpcClient
    ) -> None:
        rpc = echo_rpc()

        async def flood(request: Ask) -> Answer:
            return Answer(text="x" * 1_000_000)

        await server.serve(rpc, flood)

        with pytest.raises(TooLargeError):
            await client.call(rpc, Ask(text="x"))

    async def test_a_target_reaches_one_process_only(
        self, server: RpcServer, client: RpcClient
    ) -> None:
        rpc = echo_rpc()

        async def here(request: Ask) -> Answer:
            return Answer(text="here")

        await server.serve(rpc, here, target="one")

        assert (await client.call(rpc, Ask(text="x"), target="one")).text == "here"
        with pytest.raises(UnavailableError):
            await client.call(rpc, Ask(text="x"), target="two")

    async def test_an_unknown_field_is_refused(
        self, server: RpcServer, client: RpcClient, nats_connection: Client
    ) -> None:
        rpc = echo_rpc()

        class Wider(Ask):
            more: int = 1

        async def echo(request: Ask) -> Answer:
            return Answer(text=request.text)

        await server.serve(rpc, echo)

        with pytest.raises(InvalidError, match="more"):
            await client.call(rpc, Wider(text="x"))


class TestDiscovery:
    async def test_the_service_answers_ping(
        self, server: RpcServer, nats_connection: Client
    ) -> None:
        reply = await nats_connection.request("$SRV.PING.test", b"")

        assert b'"name":"test"' in reply.data.replace(b" ", b"")


class TestDrain:
    async def test_what_is_under_way_is_finished_and_what_comes_is_not_taken(
        self, nats_connection: Client, client: RpcClient
    ) -> None:
        rpc, began, go_on = echo_rpc(), asyncio.Event(), asyncio.Event()

        async def slow(request: Ask) -> Answer:
            began.set()
            await go_on.wait()
            return Answer(text=request.text)

        async with RpcServer(nats_connection, service="test") as server:
            await server.serve(rpc, slow)
            asked = asyncio.ensure_future(client.call(rpc, Ask(text="a")))
            await began.wait()

            draining = asyncio.ensure_future(server.drain())
            while not await refused(client, rpc):
                await asyncio.sleep(0.01)
            go_on.set()
            await draining

        assert (await asked).text == "a"

    async def test_whose_time_is_up_is_told_to_ask_somebody_else(
        self, nats_connection: Client, client: RpcClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("common.messaging.rpc._DRAIN_S", 0.1)
        rpc, began = echo_rpc(), asyncio.Event()

        async def endless(request: Ask) -> Answer:
            began.set()
            await asyncio.Event().wait()
            return Answer(text=request.text)

        async with RpcServer(nats_connection, service="test") as server:
            await server.serve(rpc, endless)
            asked = asyncio.ensure_future(client.call(rpc, Ask(text="a")))
            await began.wait()
            await server.drain()

        with pytest.raises(UnavailableError, match="stopping"):
            await asked


class TestPatience:
    async def test_who_is_not_there_yet_is_asked_again(
        self, nats_connection: Client, client: RpcClient
    ) -> None:
        rpc = echo_rpc()

        async def echo(request: Ask) -> Answer:
            return Answer(text=request.text)

        asked = asyncio.ensure_future(
            client.call(rpc, Ask(text="a"), patience=timedelta(seconds=10))
        )
        await asyncio.sleep(0.5)
        async with RpcServer(nats_connection, service="test") as server:
            await server.serve(rpc, echo)

            assert (await asked).text == "a"

    async def test_a_refusal_is_not_asked_again(
        self, server: RpcServer, client: RpcClient
    ) -> None:
        rpc, calls = echo_rpc(), []

        async def refuse(request: Ask) -> Answer:
            calls.append(request)
            message = "no such thing"
            raise NotFoundError(message)

        await server.serve(rpc, refuse)

        with pytest.raises(NotFoundError):
            await client.call(rpc, Ask(text="a"), patience=timedelta(seconds=10))

        assert len(calls) == 1


async def refused(client: RpcClient, rpc: Rpc[Ask, Answer]) -> bool:
    try:
        await client.call(rpc, Ask(text="late"), within=timedelta(seconds=0.2))
    except UnavailableError as error:
        return "not running" in error.detail
    return False


class TestInterrupted:
    async def test_who_says_when_to_come_back_is_not_asked_before(
        self, server: RpcServer, client: RpcClient
    ) -> None:
        rpc, asked = echo_rpc(), 0

        async def drained(request: Ask) -> Answer:
            nonlocal asked
            asked += 1
            message = "nothing new begins"
            raise UnavailableError(message, code=ErrorCode.DRAINING, retry_at=LATER)

        await server.serve(rpc, drained)

        with pytest.raises(UnavailableError) as refused:
            await client.call(rpc, Ask(text="a"), patience=timedelta(seconds=10))

        assert (refused.value.code, refused.value.retry_at) == (ErrorCode.DRAINING, LATER)
        assert asked == 1

    async def test_a_reply_lost_with_the_bus_is_asked_for_again(self, tmp_path: Path) -> None:
        rpc, calls, held = echo_rpc(), 0, asyncio.Event()
        port = free_port()

        async def slow_at_first(request: Ask) -> Answer:
            nonlocal calls
            calls += 1
            if calls == 1:
                await held.wait()
            return Answer(text=request.text)

        bus = await a_bus(port, tmp_path)
        caller, other = [await connect(f"nats://127.0.0.1:{port}", name) for name in "ab"]
        async with RpcServer(other, service="test") as server:
            await server.serve(rpc, slow_at_first)
            asked = asyncio.ensure_future(
                RpcClient(caller).call(
                    rpc,
                    Ask(text="a"),
                    within=timedelta(seconds=60),
                    patience=timedelta(seconds=30),
                )
            )
            while calls == 0:
                await asyncio.sleep(0.01)

            bus.kill()
            await bus.wait()
            bus = await a_bus(port, tmp_path)

            async with asyncio.timeout(15):
                assert (await asked).text == "a"
            held.set()
        for connection in (caller, other):
            await connection.close()
        bus.kill()
        await bus.wait()


async def a_bus(port: int, directory: Path) -> asyncio.subprocess.Process:
    command = [script("nats-server"), "-a", "127.0.0.1", "-p", str(port), "-js"]
    return await asyncio.create_subprocess_exec(
        *command, "-sd", str(directory), stderr=asyncio.subprocess.DEVNULL
    )
