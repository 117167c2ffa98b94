"""`python tests/e2e/record.py`: one of every event, told by a platform of its own, into the file
that the contract kit replays. Needed when a type of event comes or changes.
"""

import asyncio
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common.contracts.events import EVENTS, STREAM
from common.messaging.connection import connect
from local_platform.instance import ROOT, Instance, running
from local_platform.visitor import Visitor

FILE = ROOT / "libs/common/src/common/contracts/recorded.jsonl"
SKILL = "examples/skills/hello"
DANGEROUS = '[[tool:terminal {"command": "rm -rf ./doomed"}]]'
KEY = "/api/keys/OPENAI_API_KEY"


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, running(Path(directory)) as instance:
        user = Visitor.named("alice", instance)
        for do in (secrets, conversations, sandbox, leaving):
            do(user)
        told = asyncio.run(events(instance))
    FILE.write_text("".join(f"{json.dumps(event, ensure_ascii=False)}\n" for event in told))
    missing = {event.type for event in EVENTS} - {event["type"] for event in told}
    print(f"{len(told)} events; missing: {', '.join(sorted(missing)) or 'none'}")


def secrets(user: Visitor) -> None:
    user.http.put(KEY, json={"value": "sk-not-a-real-key"}).raise_for_status()
    user.http.post(f"{KEY}/check")
    user.http.delete(KEY).raise_for_status()


def conversations(user: Visitor) -> None:
    for prompt, *options in (("hello",), (DANGEROUS, "--approve", "once"), ("[[error:401]]",)):
        print(user.try_skill(SKILL, prompt, *options).stdout)
    session = user.get("/api/sessions")["sessions"][0]
    user.http.delete(f"/api/sessions/{session['id']}").raise_for_status()


def sandbox(user: Visitor) -> None:
    user.post("/api/sandbox/stop")
    print(user.try_skill(SKILL, "again").stdout)
    user.http.delete("/api/sandbox").raise_for_status()


def leaving(user: Visitor) -> None:
    user.http.delete("/api/me").raise_for_status()


async def events(instance: Instance) -> list[dict[str, Any]]:
    """All that the stream holds, once nothing more comes."""
    password = (instance.directory / "secrets/nats-password-operator").read_text().strip()
    port = instance.processes["nats"]["port"]
    bus = await connect(f"nats://operator:{password}@127.0.0.1:{port}", "operator")
    jetstream = bus.jetstream()

    async def settled(count: Callable[[], Any], known: int = -1) -> int:
        while (now := (await count()).state.messages) != known:
            known = now
            await asyncio.sleep(5)
        return known

    total = await settled(lambda: jetstream.stream_info(STREAM))
    reading = await jetstream.subscribe("evt.>", ordered_consumer=True)
    told = [json.loads((await reading.next_msg(5)).data) for _ in range(total)]
    await bus.close()
    return told


if __name__ == "__main__":
    main()
