"""Who launches what, and how it ended: a durable, idempotent consumer of the platform's events.

NATS_URL=nats://<reader>:<password>@127.0.0.1:4222 python consumer.py launches.db
"""

import asyncio
import json
import os
import sqlite3
import sys
from urllib.parse import urlsplit

import nats
from nats.errors import TimeoutError as NothingYetError

TABLE = "CREATE TABLE IF NOT EXISTS launches (id PRIMARY KEY, skill, state, time)"
NEWER = """INSERT INTO launches VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE
    SET skill = excluded.skill, state = excluded.state, time = excluded.time
    WHERE excluded.time > time"""


def opened(file: str) -> sqlite3.Connection:
    database = sqlite3.connect(file, isolation_level=None)
    database.execute(TABLE)
    return database


def handle(database: sqlite3.Connection, event: dict) -> None:
    """The newest event of a launch wins, so one that comes twice or late changes nothing."""
    if event["type"] in {"launch.requested.v1", "launch.ended.v1"}:
        data = event["data"]
        row = (data["launch_id"], data["skill"], data["state"], event["time"])
        database.execute(NEWER, row)


async def main(url: str, file: str) -> None:
    database, user = opened(file), urlsplit(url).username
    bus = await nats.connect(url, inbox_prefix=f"_INBOX_{user}".encode())
    # The server remembers under this name what was acknowledged: a restart goes on from there.
    events = await bus.jetstream().pull_subscribe("evt.launch.*.v1", durable=user, stream="EVENTS")
    while True:
        try:
            messages = await events.fetch(100, timeout=5)
        except NothingYetError:
            continue
        for message in messages:
            handle(database, json.loads(message.data))
            await message.ack()
            print(message.subject, json.loads(message.data)["subject"], flush=True)


def replay(events: list[dict]) -> list[tuple]:
    """For the contract kit: what the table holds after these events."""
    database = opened(":memory:")
    for event in events:
        handle(database, event)
    return database.execute("SELECT * FROM launches ORDER BY id").fetchall()


if __name__ == "__main__":
    asyncio.run(main(os.environ["NATS_URL"], sys.argv[1]))
