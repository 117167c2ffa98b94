"""A cluster of three, with the configuration and the users that deployments are given."""

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from common.messaging import connection as bus
from common.messaging.streams import EVENTS_STREAM
from common.messaging.wire import open_wire
from common.running import set_up
from common.testing.servers import free_port, listening, script
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

CONFIG = Path(__file__).parents[4] / "deploy/nats"
PASSWORD = "p-of-a-test"
_SETTLED_S = 30


@dataclass
class Node:
    name: str
    folder: Path
    client: int = field(default_factory=free_port)
    route: int = field(default_factory=free_port)
    monitor: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    def url(self, user: str) -> str:
        return f"nats://{user}:{PASSWORD}@127.0.0.1:{self.client}"

    async def start(self, others: list["Node"]) -> None:
        text = (CONFIG / "cluster.conf").read_text()
        for port, own in ((4222, self.client), (6222, self.route), (8222, self.monitor)):
            text = text.replace(f"0.0.0.0:{port}", f"127.0.0.1:{own}")
        text = text.replace("/data", str(self.folder / "data"))
        self.folder.mkdir(exist_ok=True)
        (self.folder / "cluster.conf").write_text(text)
        users = (CONFIG / "users.conf").read_text()
        (self.folder / "users.conf").write_text(users)
        routes = ",".join(f"nats://route:{PASSWORD}@127.0.0.1:{node.route}" for node in others)
        self.process = await asyncio.create_subprocess_exec(
            script("nats-server"),
            "--config",
            str(self.folder / "cluster.conf"),
            env={
                "NATS_SERVER_NAME": self.name,
                "NATS_ROUTES": f"[{routes}]",
                "NATS_CLUSTER_PASSWORD": PASSWORD,
                **dict.fromkeys(re.findall(r"\$(NATS_PASSWORD_\w+)", users), PASSWORD),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[list[Node]]:
    nodes = [Node(f"nats-{number}", folder / str(number)) for number in (1, 2, 3)]
    try:
        for node in nodes:
            await node.start([other for other in nodes if other is not node])
        for node in nodes:
            await listening(node.client)
        yield nodes
    finally:
        for node in nodes:
            await node.kill()


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[list[Node]]:
    async with cluster(tmp_path) as running:
        yield running


class TestCluster:
    async def test_streams_have_three_copies_and_a_client_of_one_node_lives_on_at_another(
        self, nodes: list[Node]
    ) -> None:
        keys = await bus.connect(nodes[0].url("keys"), "keys")
        gateway = await bus.connect(nodes[0].url("gateway"), "gateway")
        jetstream = keys.jetstream()
        # Right after the start there is no leader yet, and nothing can be made.
        await set_up(jetstream, replicas=3)
        info = await jetstream.stream_info(EVENTS_STREAM)
        copies = 1 + len((info.cluster.replicas if info.cluster else None) or [])

        await nodes[0].kill()

        assert copies == 3
        # Both know one address alone; the others, and how to log in there, come from the cluster.
        async with asyncio.timeout(_SETTLED_S):
            for connection in (keys, gateway):
                while not connection.is_connected or connection.stats["reconnects"] == 0:
                    await asyncio.sleep(0.05)
                await bus.ping(connection)
            while (await _leader(jetstream)) in (None, nodes[0].name):
                await asyncio.sleep(0.2)
        await keys.close()
        await gateway.close()

    async def test_journals_go_on_whichever_node_is_lost(self, nodes: list[Node]) -> None:
        subject, heard = b"journal.session.ses_x", asyncio.Queue[bytes]()
        async with (
            open_wire(urls(nodes, "chat-proxy"), "chat-proxy") as writer,
            open_wire(urls(nodes, "gateway"), "gateway") as reader,
        ):
            reader.subscribe(subject, heard.put_nowait)
            for number, node in enumerate(nodes):
                await node.kill()
                async with asyncio.timeout(_SETTLED_S):
                    body = str(number).encode()
                    # What is said while the reader is away is missed: it is said again.
                    while heard.empty():
                        writer.publish(subject, body)
                        await asyncio.sleep(0.2)
                    while await heard.get() != body or not heard.empty():
                        pass
                await node.start([other for other in nodes if other is not node])
                await listening(node.client)


def urls(nodes: list[Node], user: str) -> str:
    """All servers, with the login in the first."""
    first, *others = nodes
    return ",".join([first.url(user), *(f"nats://127.0.0.1:{node.client}" for node in others)])


async def _leader(jetstream: JetStreamContext) -> str | None:
    try:
        info = await jetstream.stream_info(EVENTS_STREAM)
    except (NatsError, TimeoutError):
        return None
    return info.cluster.leader if info.cluster else None
