"""The lean client against the real nats-server: restarts, TLS, refusals, a flood."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from common.messaging import wire as lean
from common.messaging.wire import Wire, WireError, open_wire
from common.testing.servers import nats_server

SUBJECT = b"journal.session.x"


@pytest.fixture
async def wire(nats_url: str) -> AsyncIterator[Wire]:
    async with open_wire(nats_url, "test") as found:
        yield found


class Heard:
    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self._news = asyncio.Event()

    def __call__(self, body: bytes) -> None:
        self.bodies.append(body)
        self._news.set()

    async def until(self, count: int) -> list[bytes]:
        async with asyncio.timeout(20):
            while len(self.bodies) < count:
                self._news.clear()
                await self._news.wait()
        return self.bodies


class TestPublish:
    async def test_a_flood_comes_whole_and_in_order(self, wire: Wire, nats_url: str) -> None:
        heard = Heard()
        bodies = [b"%d" % number + b"x" * (number % 3000) for number in range(20_000)]
        async with open_wire(nats_url, "other") as other:
            other.subscribe(SUBJECT, heard)
            await other.flush()
            for body in bodies:
                wire.publish(SUBJECT, body)
                await wire.room()

            assert await heard.until(len(bodies)) == bodies

    async def test_who_unsubscribed_hears_nothing(self, wire: Wire) -> None:
        heard, other = Heard(), Heard()
        number = wire.subscribe(SUBJECT, heard)
        wire.subscribe(SUBJECT, other)
        wire.unsubscribe(number)
        wire.publish(SUBJECT, b"1")

        assert await other.until(1) == [b"1"]
        assert heard.bodies == []

    async def test_a_callback_that_fails_holds_up_nobody(self, wire: Wire) -> None:
        heard = Heard()

        def fails(body: bytes) -> None:
            raise ValueError(body)

        wire.subscribe(SUBJECT, fails)
        wire.subscribe(SUBJECT, heard)
        for number in range(3):
            wire.publish(SUBJECT, b"%d" % number)

        assert await heard.until(3) == [b"0", b"1", b"2"]


class TestRestart:
    async def test_what_was_said_meanwhile_is_said_then(self, tmp_path: Path) -> None:
        server = nats_server(tmp_path)
        url = await server.__aenter__()
        port = url.rpartition(":")[2]
        heard = Heard()
        async with open_wire(url, "test") as wire:
            wire.subscribe(SUBJECT, heard)
            await wire.flush()
            await server.__aexit__(None, None, None)
            async with asyncio.timeout(10):
                while not wire.interruptions:
                    await asyncio.sleep(0.01)
            wire.publish(SUBJECT, b"meanwhile")
            again = await asyncio.create_subprocess_exec(
                *_command(port, tmp_path), stderr=asyncio.subprocess.DEVNULL
            )
            try:
                assert await heard.until(1) == [b"meanwhile"]
                assert wire.interruptions == 1
            finally:
                again.kill()
                await again.wait()

    async def test_more_than_can_be_kept_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lean, "_PENDING_BYTES", 1200)
        server = nats_server(tmp_path)
        url = await server.__aenter__()
        async with open_wire(url, "test") as wire:
            await server.__aexit__(None, None, None)
            async with asyncio.timeout(10):
                while not wire.interruptions:
                    await asyncio.sleep(0.01)
            for _ in range(10):
                wire.publish(SUBJECT, b"x" * 100)

            with pytest.raises(WireError):
                wire.publish(SUBJECT, b"x" * 100)


class TestKeepAlive:
    @pytest.fixture(autouse=True)
    def _hurried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lean, "_PING_EVERY_S", 0.05)

    async def test_many_who_wait_for_the_server_are_no_reason_to_leave_it(
        self, nats_url: str
    ) -> None:
        """Each viewer that begins to follow a journal waits for the server's answer."""
        async with open_wire(nats_url, "test") as wire:
            until = asyncio.get_running_loop().time() + 1.0

            async def follow() -> None:
                while asyncio.get_running_loop().time() < until:
                    await wire.flush()

            await asyncio.gather(*(follow() for _ in range(20)))

            assert wire.interruptions == 0

    async def test_a_server_that_does_not_answer_is_left(self) -> None:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"INFO {}\r\n")
            # A client that leaves resets the connection.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await reader.readuntil(b"PING\r\n")
                writer.write(b"PONG\r\n")
                await reader.read()
            writer.close()

        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with open_wire(f"nats://127.0.0.1:{port}", "test") as wire:
                async with asyncio.timeout(10):
                    while not wire.interruptions:
                        await asyncio.sleep(0.02)


class TestRefusal:
    async def test_a_wrong_password_is_never_ready(self, tmp_path: Path) -> None:
        users = 'authorization { users: [ { user: "a", password: "right" } ] }\n'
        async with nats_server(tmp_path, config=users) as url:
            where = url.removeprefix("nats://")
            async with open_wire(f"nats://a:right@{where}", "test") as wire:
                await wire.flush()
            refused = Wire(f"nats://a:wrong@{where}", "test")
            with pytest.raises(WireError):
                await refused.flush(within_s=1.0)
            await refused.close()


def _command(port: str, directory: Path) -> list[str]:
    from common.testing.servers import script

    where = ["-a", "127.0.0.1", "-p", port]
    return [script("nats-server"), *where, "-js", "-sd", str(directory)]
