"""The main way, a rolling restart under load, and the loss of NATS nodes."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from docker.models.containers import Container
from local_platform import load
from local_platform.compose.login import logged_in
from local_platform.crowd import Person
from local_platform.load import HELLO, attempt, busy, launching

from .conftest import NAME, ROOT, Platform

SERVICES = ("keys", "skill-resolver", "sandbox-manager", "chat-proxy", "relay", "gateway")
IMAGES = (*(name for name in SERVICES if name != "relay"), "operate", "local")
NODES = ("nats-1", "nats-2", "nats-3")
NODE_EVERY_S = 10
NODE_AWAY_S = 4
LOSSES_S = float(os.environ.get("LOSSES_S", "120"))
WORDS_PER_S = 1.0
RAMP_S = 1.5


class TestMainWay:
    def test_a_newcomer_tries_a_skill(self, platform: Platform) -> None:
        done = tried(platform, HELLO, "hello")

        assert done.returncode == 0, done.stdout + done.stderr
        assert "Skill Harbour" in done.stdout

    def test_one_trace_leads_from_the_front_door_to_the_provider(self, platform: Platform) -> None:
        tried(platform, HELLO, "hello")
        lines = [json.loads(line) for c in platform.containers("gateway") for line in logged(c)]
        launches = [line for line in lines if line.get("route") == "/api/launches"]
        trace = str(launches[-1]["trace_id"])

        def seen() -> list[str]:
            return [
                line for c in platform.containers("otel") for line in logged(c) if trace in line
            ]

        until(lambda: any("rpc.sandbox-manager.start_launch.v1" in line for line in seen()))
        assert any("POST /api/launches" in line for line in seen())

    def test_a_service_holds_nothing_that_another_may_not_know(self, platform: Platform) -> None:
        environments = {
            service: dict(
                pair.split("=", 1)
                for pair in platform.containers(service)[0].attrs["Config"]["Env"]
            )
            for service in SERVICES
        }

        for secret in ("KEYS_MASTER_KEY", "SANDBOX_MANAGER_SEAL_KEY", "GATEWAY_COOKIE_KEY"):
            assert [name for name in SERVICES if secret in environments[name]] == [
                secret.lower().replace("_", "-").rsplit("-", 2)[0]
            ]
        passwords = [environments[name]["NATS_URL"].split("@")[0] for name in SERVICES]
        assert len(set(passwords)) == len(SERVICES)
        assert "MONGODB_URI" not in environments["gateway"]


class TestRollingUpgrade:
    async def test_every_replica_is_replaced_under_load_and_nothing_is_lost_or_doubled(
        self, platform: Platform
    ) -> None:
        before = {str(c.id) for service in SERVICES for c in platform.containers(service)}
        os.environ["TAG"] = release(platform, "next")
        async with crowd(platform, 6) as people:
            done = asyncio.Event()
            work = asyncio.gather(*(busy(person, done) for person in people))
            try:
                await asyncio.to_thread(compose, "roll")
            finally:
                done.set()
            await work

            after = [c for service in SERVICES for c in platform.containers(service)]
            assert len(after) == len(before)
            assert not before & {str(c.id) for c in after}
            assert {c.attrs["Config"]["Image"].rpartition(":")[2] for c in after} == {"next"}
            await balanced(platform, people, at_least=2 * len(people))


class TestLossOfANode:
    async def test_fifty_launches_and_fifty_streams_lose_and_double_nothing(
        self, platform: Platform
    ) -> None:
        async with crowd(platform, 10) as people:
            ready = [await person.launch(HELLO) for person in people]
            # Each conversation starts a process in its sandbox: one after another, then all go on.
            words = int((LOSSES_S + 50 * RAMP_S) * WORDS_PER_S)
            streams = []
            for _ in range(5):
                for person, launch in zip(people, ready, strict=True):
                    talk = person.converse(launch, words=words, rate=WORDS_PER_S)
                    streams.append(asyncio.ensure_future(attempt(talk)))
                    await asyncio.sleep(RAMP_S)
            loss = asyncio.ensure_future(losses(platform, LOSSES_S))
            await asyncio.gather(*(launching(person, 4, LOSSES_S) for person in people))
            killed = await loss
            talking = sum(not stream.done() for stream in streams)
            await asyncio.gather(*streams)

            assert killed >= LOSSES_S / NODE_EVERY_S - 1
            assert talking >= 40, f"only {talking} streams lasted through the losses"
            await balanced(platform, people, at_least=50)


class TestBackup:
    async def test_a_deployment_that_lost_its_data_has_them_again(
        self, platform: Platform, tmp_path: Path
    ) -> None:
        os.environ["BACKUPS"] = str(tmp_path)
        key = "/api/keys/OPENROUTER_API_KEY"
        async with crowd(platform, 1) as (person,):
            launch = await person.launch(HELLO)
            session = await person.converse(launch, words=20, rate=20)
            with closing(await asyncio.to_thread(logged_in, platform.url, "owner")) as owner:
                owner.put(key, json={"value": "sk-or-kept-1234"}).raise_for_status()
                await asyncio.to_thread(compose, "backup", "kept")
                await person.converse(launch, words=5, rate=20)

                await asyncio.to_thread(lose_everything, platform)
                refused = await person.status("/api/sessions")
                await asyncio.to_thread(compose, "restore", "kept")

                assert refused == 401
                # The token, the session, the sealed key and the way into the sandbox are all back.
                assert [one["id"] for one in await person.sessions()] == [session]
                (sealed,) = owner.get("/api/keys").json()["secrets"]
                assert (sealed["name"], sealed["last_four"]) == ("OPENROUTER_API_KEY", "1234")
                await person.say(session, words=20, rate=20)
                assert not person.count.faults, person.count


async def losses(platform: Platform, seconds: float) -> int:
    """Kill one node after another, each back before the next is killed; how many were."""
    ends = time.monotonic() + seconds
    for killed, name in enumerate(itertools.cycle(NODES)):
        if time.monotonic() > ends:
            return killed
        began = time.monotonic()
        (node,) = platform.containers(name)
        await asyncio.to_thread(node.kill)
        await asyncio.sleep(NODE_AWAY_S)
        await asyncio.to_thread(node.start)
        await asyncio.sleep(max(NODE_EVERY_S - (time.monotonic() - began), 0))
    raise AssertionError


@asynccontextmanager
async def crowd(platform: Platform, size: int) -> AsyncIterator[list[Person]]:
    async with load.crowd(platform.url, platform.token, size) as people:
        yield people
        print(people[0].count)


async def balanced(platform: Platform, people: list[Person], *, at_least: int) -> None:
    """What people saw, what is on record and what was told to others are the same."""
    count = people[0].count
    await load.check_balance(people, lambda: events(platform))
    print(count)
    assert not count.faults, count
    assert min(count.launches, count.streams) >= at_least, count


def events(platform: Platform) -> Iterator[dict[str, Any]]:
    """The stream EVENTS from its first message, each id once."""
    secrets = dict(
        line.split("=", 1) for line in (ROOT / ".local/compose/env").read_text().splitlines()
    )
    told: Any = platform.containers("keys")[0].exec_run(
        ["/app/venv/bin/python", "-c", READ_EVENTS],
        environment={"PASSWORD": secrets["NATS_PASSWORD_OPERATOR"]},
        demux=True,
    )
    assert told.exit_code == 0, told.output
    found = [json.loads(line) for line in told.output[0].decode().splitlines()]
    assert len({event["id"] for event in found}) == len(found), "an event is there twice"
    yield from found


READ_EVENTS = """\
import asyncio, os, nats
from common.messaging.streams import EVENTS_STREAM

async def main():
    nodes = [f"nats://nats-{number}:4222" for number in (1, 2, 3)]
    connection = await nats.connect(nodes, user="operator", password=os.environ["PASSWORD"])
    jetstream = connection.jetstream()
    total = (await jetstream.stream_info(EVENTS_STREAM)).state.messages
    reading = await jetstream.subscribe("evt.>", ordered_consumer=True)
    for _ in range(total):
        print((await reading.next_msg(timeout=10)).data.decode())
    await connection.close()

asyncio.run(main())
"""


def release(platform: Platform, tag: str) -> str:
    """Our images under another tag, as a new version would come."""
    for name in IMAGES:
        platform.engine.images.get(f"tryskills/{name}:dev").tag(f"tryskills/{name}", tag)
    return tag


def compose(*command: str) -> None:
    subprocess.run([ROOT / "deploy/compose/run.sh", *command], check=True)


def lose_everything(platform: Platform) -> None:
    """The volumes of NATS and of the store go; secrets and sandboxes stay."""
    compose("down")
    for name in (*NODES, "mongo"):
        platform.engine.volumes.get(f"{NAME}_{name}").remove()
    compose("up")


def until(is_so: Callable[[], bool], seconds: float = 30) -> None:
    ends = time.monotonic() + seconds
    while not is_so() and time.monotonic() < ends:
        time.sleep(0.5)


def logged(container: Container) -> list[str]:
    lines: list[str] = container.logs().decode().splitlines()
    return [line for line in lines if line.startswith("{")]


def tried(platform: Platform, ref: str, prompt: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("tryskills")
    where = ["--url", platform.url, "--token", platform.token("newcomer")]
    return subprocess.run(
        [program, "try", ref, "--prompt", prompt, *where],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        cwd=ROOT,
    )
