"""The gateway as a process, on a real nats-server, with stand-ins that keep the contracts."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from common.contracts.chat import ATTACH, Attach, Attached, Text, session_journal
from common.contracts.keys import RESOLVE_OWNER, Owner, ResolveOwner
from common.errors import ErrorCode, NotFoundError
from common.messaging.connection import connect
from common.messaging.journal import Journal
from common.messaging.rpc import RpcServer
from common.messaging.wire import open_wire
from common.testing.servers import free_port, listening, script
from gateway.main import SERVICES

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
SESSION_ID = "ses_" + "2" * 20
OWNERS = {"local": "own_" + "l" * 20}


def text(seq: int, seq_from: int | None = None, pad: int = 0) -> Text:
    words = f"part {seq} {'x' * pad}"
    return Text(seq=seq, seq_from=seq_from, at=AT, turn_id="tur_1", text=words)


@dataclass
class Platform:
    """Stand-ins of all services on one bus; `written` is the session's journal."""

    journal: Journal
    written: list[Text] = field(default_factory=list)

    async def attach(self, request: Attach) -> Attached:
        if request.session_id != SESSION_ID or request.owner_id != OWNERS["local"]:
            message = "no such session"
            raise NotFoundError(message, code=ErrorCode.SESSION_NOT_FOUND)
        entries = [entry for entry in self.written if entry.seq > request.after][:50]
        last_seq = entries[-1].seq if entries else request.after
        return Attached(entries=entries, last_seq=last_seq, more=len(entries) == 50)

    async def resolve_owner(self, request: ResolveOwner) -> Owner:
        return Owner(owner_id=OWNERS[request.subject], created_at=AT)

    async def write(self, *, live: bool = True, pad: int = 0) -> None:
        """One more entry; `live` False is one that the bus loses."""
        entry = text(len(self.written) + 1, pad=pad)
        self.written.append(entry)
        if live:
            line = entry.model_dump_json().encode()
            self.journal.append(session_journal(SESSION_ID), [line])


@asynccontextmanager
async def platform(nats_url: str) -> AsyncIterator[Platform]:
    connection = await connect(nats_url, "stand-ins")
    async with open_wire(nats_url, "stand-ins") as wire:
        stand_ins = Platform(Journal(wire, connection.jetstream()))
        servers = {name: RpcServer(connection, service=name) for name in SERVICES}
        for server in servers.values():
            await server.__aenter__()
        await servers["keys"].serve(RESOLVE_OWNER, stand_ins.resolve_owner)
        await servers["chat-proxy"].serve(ATTACH, stand_ins.attach)
        yield stand_ins
        for server in servers.values():
            await server.__aexit__(None, None, None)
    await connection.close()


@asynccontextmanager
async def gateway(nats_url: str, port: int, **settings: str) -> AsyncIterator[httpx.AsyncClient]:
    """The real process; it has been told to stop and has ended well when this is left."""
    environment = {**os.environ, "NATS_URL": nats_url, "GATEWAY_PORT": str(port), **settings}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(base_url=url, timeout=10) as client:
            await eventually(client, "/healthz")
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 15) == 0


async def eventually(client: httpx.AsyncClient, path: str) -> httpx.Response:
    async with asyncio.timeout(30):
        while True:
            try:
                response = await client.get(path)
            except httpx.TransportError:
                pass
            else:
                if response.status_code == 200:
                    return response
            await asyncio.sleep(0.05)


async def read(
    client: httpx.AsyncClient, *, after: int = 0, until: int
) -> list[tuple[int, dict[str, Any]]]:
    """The events of the session up to a number; then the client goes."""
    found: list[tuple[int, dict[str, Any]]] = []
    number = 0
    headers = {"Last-Event-ID": str(after)} if after else {}
    path = f"/api/sessions/{SESSION_ID}/events"
    async with asyncio.timeout(30), client.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200
        async for line in response.aiter_lines():
            if line.startswith("id: "):
                number = int(line[4:])
            elif line.startswith("data: ") and number:
                found.append((number, json.loads(line[6:])))
                if number >= until:
                    break
    return found


@pytest.fixture
def port() -> int:
    return free_port()


class TestReadiness:
    async def test_it_answers_before_the_bus_is_there_and_names_what_it_waits_for(
        self, port: int
    ) -> None:
        async with gateway("nats://127.0.0.1:1", port) as client:
            ready = await client.get("/readyz")
            me = await client.get("/api/me")

        assert ready.status_code == 503
        assert ready.json()["waiting_for"] == ["nats", *SERVICES]
        assert (me.status_code, me.json()["code"]) == (503, "unavailable")

    async def test_it_is_ready_when_all_services_are(self, nats_url: str, port: int) -> None:
        async with gateway(nats_url, port) as client:
            waiting = (await client.get("/readyz")).json()["waiting_for"]
            async with platform(nats_url):
                await eventually(client, "/readyz")
                me = await client.get("/api/me")

        assert set(SERVICES) <= set(waiting)
        assert me.json()["owner_id"] == OWNERS["local"]


class TestSessionEvents:
    async def test_cut_in_the_middle_and_resumed_every_number_comes_once(
        self, nats_url: str, port: int
    ) -> None:
        async with platform(nats_url) as stand_ins, gateway(nats_url, port) as client:
            await eventually(client, "/readyz")
            for _ in range(120):
                await stand_ins.write()
            first = await read(client, until=70)
            writing = asyncio.ensure_future(written(stand_ins, 80))
            second = await read(client, after=first[-1][0], until=200)
            await writing

        numbers = [number for number, _ in first + second]
        assert numbers == list(range(1, 201))
        assert [data["text"] for _, data in first + second] == [
            f"part {number} " for number in range(1, 201)
        ]

    async def test_who_takes_nothing_slows_nobody_and_comes_back_by_number(
        self, nats_url: str, port: int
    ) -> None:
        small = {"GATEWAY_VIEWER_BUFFER_BYTES": "65536"}
        async with platform(nats_url) as stand_ins, gateway(nats_url, port, **small) as client:
            await eventually(client, "/readyz")
            slow = await stalled(port)
            reading = asyncio.ensure_future(read(client, until=500))
            await asyncio.sleep(0.3)
            for _ in range(500):
                await stand_ins.write(pad=10_000)
                await asyncio.sleep(0.002)
            fast = [number for number, _ in await reading]

            told = (await asyncio.wait_for(asyncio.to_thread(drained, slow), 30)).decode()
            taken = [int(line[4:]) for line in told.splitlines() if line.startswith("id: ")]
            rest = [number for number, _ in await read(client, after=taken[-1], until=500)]

        assert fast == list(range(1, 501))
        assert taken + rest == list(range(1, 501))
        assert 0 < len(taken) < 500
        assert '"code":"slow_viewer"' in told

    async def test_what_the_bus_lost_is_fetched(self, nats_url: str, port: int) -> None:
        async with platform(nats_url) as stand_ins, gateway(nats_url, port) as client:
            await eventually(client, "/readyz")
            await stand_ins.write()
            reading = asyncio.ensure_future(read(client, until=4))
            await asyncio.sleep(0.3)
            for live in (False, False, True):
                await stand_ins.write(live=live)

            assert [number for number, _ in await reading] == [1, 2, 3, 4]

    async def test_while_the_bus_restarts_the_view_goes_on(
        self, tmp_path: Path, port: int
    ) -> None:
        bus_port = free_port()
        url = f"nats://127.0.0.1:{bus_port}"
        bus = await start_bus(bus_port, tmp_path)
        async with platform(url) as stand_ins, gateway(url, port) as client:
            await eventually(client, "/readyz")
            await stand_ins.write()
            reading = asyncio.ensure_future(read(client, until=3))
            await asyncio.sleep(0.3)
            bus.kill()
            await bus.wait()
            await stand_ins.write(live=False)
            await stand_ins.write(live=False)
            bus = await start_bus(bus_port, tmp_path)

            numbers = [number for number, _ in await reading]
        bus.kill()
        await bus.wait()

        assert numbers == [1, 2, 3]

    async def test_a_stop_ends_streams_whole(self, nats_url: str, port: int) -> None:
        async with platform(nats_url) as stand_ins:
            await stand_ins.write()
            async with gateway(nats_url, port) as client:
                await eventually(client, "/readyz")
                whole = asyncio.ensure_future(body(port))
                await asyncio.sleep(0.3)

            assert "part 1" in await whole


async def stalled(port: int) -> socket.socket:
    """A viewer that asks and does not read."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await asyncio.to_thread(client.connect, ("127.0.0.1", port))
    path = f"/api/sessions/{SESSION_ID}/events"
    client.sendall(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    return client


def drained(client: socket.socket) -> bytes:
    """All that is there for it, up to its end; what was cut off in the middle is left out."""
    data = b""
    with client:
        while piece := client.recv(65536):
            data += piece
    return data[: data.rindex(b"\n\n") + 2]


async def written(stand_ins: Platform, count: int) -> None:
    for _ in range(count):
        await stand_ins.write()
        await asyncio.sleep(0.002)


async def body(port: int) -> str:
    """The whole of a stream, to its proper end."""
    url = f"http://127.0.0.1:{port}/api/sessions/{SESSION_ID}/events"
    async with httpx.AsyncClient() as client, client.stream("GET", url) as response:
        return "".join([part async for part in response.aiter_text()])


async def start_bus(port: int, directory: Path) -> asyncio.subprocess.Process:
    words = ["-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(directory)]
    process = await asyncio.create_subprocess_exec(
        script("nats-server"),
        *words,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    await listening(port, within_s=20)
    return process
