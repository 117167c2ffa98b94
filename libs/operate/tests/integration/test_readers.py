"""A login for another team on a real nats-server: read again by SIGHUP, good for events only."""

import asyncio
import json
import signal
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import nats
import psutil
import pytest
from common.contracts.access import STEWARD
from common.contracts.events import OWNER_CREATED, STREAM, OwnerCreated
from common.ids import new_id
from common.messaging.connection import connect, inbox_prefix
from common.messaging.events import EventPublisher
from common.messaging.permissions import grants, password_variable, users_config
from common.running import set_up
from common.testing.servers import nats_server
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError
from operate.__main__ import main


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[str]:
    """With the users of every deployment, and a stream with one event in it."""
    passwords = {password_variable(user): f"p-{user}" for user in grants()}
    async with nats_server(tmp_path, config=users_config(), environment=passwords) as url:
        steward = await connect(url.replace("//", f"//{STEWARD}:p-{STEWARD}@"), STEWARD)
        await set_up(steward.jetstream(), replicas=1)
        data = OwnerCreated(owner_id=new_id("own"))
        event = OWNER_CREATED.of(data, entity_id=data.owner_id, at=datetime.now(UTC))
        await EventPublisher(steward.jetstream()).publish(event)
        yield url
        await steward.close()


def added(name: str, tmp_path: Path, url: str, capsys: pytest.CaptureFixture[str]) -> str:
    config = tmp_path / "nats.conf"
    assert main(["reader", name, "--into", str(config), "--server", url]) == 0
    login = capsys.readouterr().out.splitlines()[0]
    commands = psutil.process_iter(["cmdline"])
    (server,) = (one for one in commands if str(config) in (one.info["cmdline"] or ()))
    server.send_signal(signal.SIGHUP)
    return login


async def is_let_in(login: str) -> bool:
    """Asked without a client, which would leave a socket behind where it is refused."""
    parts = urlsplit(login)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    asked = json.dumps({"user": parts.username, "pass": parts.password, "verbose": False})
    writer.write(f"CONNECT {asked}\r\nPING\r\n".encode())
    lines = [await reader.readline(), await reader.readline()]
    writer.close()
    await writer.wait_closed()
    return b"PONG\r\n" in lines


async def logged_in(login: str, name: str) -> Client:
    """The server takes a moment to read its file again."""
    async with asyncio.timeout(10):
        while not await is_let_in(login):
            await asyncio.sleep(0.1)
    return await nats.connect(login, inbox_prefix=inbox_prefix(name).encode())


class TestReader:
    async def test_it_reads_events_and_nothing_else(
        self, server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        login = added("analytics", tmp_path, server, capsys)

        bus = await logged_in(login, "analytics")
        consumer = await bus.jetstream(timeout=1).pull_subscribe(
            "evt.>", durable="analytics", stream=STREAM
        )
        (message,) = await consumer.fetch(1, timeout=5)
        await message.ack_sync()

        assert message.subject == OWNER_CREATED.subject
        for durable, stream in (("events-reader", STREAM), ("analytics", "JOURNAL")):
            with pytest.raises((NatsError, JetStreamError, TimeoutError)):
                await bus.jetstream(timeout=1).pull_subscribe(">", durable=durable, stream=stream)
        with pytest.raises((NatsError, TimeoutError)):
            await bus.jetstream(timeout=1).publish(OWNER_CREATED.subject, b"{}")
        await bus.close()

    async def test_the_file_holds_no_password_and_its_rights_stay(
        self, server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        config = tmp_path / "nats.conf"
        config.chmod(0o640)

        login = added("analytics", tmp_path, server, capsys)

        password = login.split(":")[2].split("@")[0]
        assert len(password) == 49
        assert password not in config.read_text()
        assert stat.S_IMODE(config.stat().st_mode) == 0o640

    async def test_the_same_again_is_another_password_and_the_first_is_void(
        self, server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        first = added("analytics", tmp_path, server, capsys)
        second = added("analytics", tmp_path, server, capsys)

        await (await logged_in(second, "analytics")).close()

        assert (tmp_path / "nats.conf").read_text().count('user: "analytics"') == 1
        assert not await is_let_in(first)

    @pytest.mark.parametrize("name", ["keys", "operator", "Analytics", "a b", "", '"x', "a" * 41])
    def test_no_name_of_a_service_and_no_odd_one(
        self, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        config = tmp_path / "users.conf"
        config.write_text(users_config())

        assert main(["reader", name, "--into", str(config)]) == 1
        assert "cannot be a reader" in capsys.readouterr().err
        assert config.read_text() == users_config()

    def test_a_file_of_another_kind_is_left_alone(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        config = tmp_path / "users.conf"
        config.write_text("port: 4222\n")

        assert main(["reader", "analytics", "--into", str(config)]) == 1
        assert "copy deploy/nats/users.conf" in capsys.readouterr().err
        assert config.read_text() == "port: 4222\n"
