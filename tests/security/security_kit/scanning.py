"""Everything a running platform keeps, searched for texts that must not be there."""

import asyncio
import base64
import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import nats
import psutil
from bson import json_util
from local_platform.instance import Instance
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from pymongo import MongoClient

Found = list[tuple[str, str]]
"""Where, and which text."""


class Stores:
    """The stores of one platform of the local stack, read with the operator's rights."""

    def __init__(self, platform: Instance) -> None:
        self.folder = platform.directory

    def process(self, name: str) -> dict[str, Any]:
        described = json.loads((self.folder / "platform.json").read_text())
        found: dict[str, Any] = described["processes"][name]
        return found

    def port(self, process: str) -> int:
        return int(self.process(process)["port"])

    def secret(self, name: str) -> str:
        return (self.folder / "secrets" / name).read_text().strip()

    def nats_url(self, user: str) -> str:
        return (
            f"nats://{user}:{self.secret(f'nats-password-{user}')}@127.0.0.1:{self.port('nats')}"
        )

    def documents(self, *, with_log: bool = False) -> Iterator[tuple[str, str]]:
        """Every document of every database, with the name of its collection; with the store's own
        log of writes, which keeps what was there before for a while.
        """
        client: MongoClient[dict[str, Any]] = MongoClient(
            f"mongodb://127.0.0.1:{self.port('store')}/"
        )
        with client:
            for name in client.list_database_names():
                if name == "local" and not with_log:
                    continue
                database = client[name]
                for collection in database.list_collection_names():
                    for document in database[collection].find():
                        yield f"{name}.{collection}", dumped(document)

    def messages(self) -> list[tuple[str, str]]:
        """Every message of every stream, buckets too, with its subject."""
        return asyncio.run(self._messages())

    async def _messages(self) -> list[tuple[str, str]]:
        connection = await nats.connect(self.nats_url("operator"))
        jetstream = connection.jetstream()
        found = []
        for info in await jetstream.streams_info():
            config = ConsumerConfig(
                deliver_policy=DeliverPolicy.ALL, ack_policy=AckPolicy.NONE, inactive_threshold=30
            )
            name = info.config.name or ""
            subscription = await jetstream.pull_subscribe(">", stream=name, config=config)
            left = info.state.messages
            while left > 0:
                for message in await subscription.fetch(min(left, 200), timeout=5):
                    text = message.data.decode("utf-8", "replace")
                    found.append((message.subject, f"{message.headers} {text}"))
                    left -= 1
        await connection.close()
        return found

    def logs(self) -> Iterator[tuple[str, str]]:
        for path in sorted((self.folder / "logs").iterdir()):
            yield path.name, path.read_text(errors="replace")

    def data_files(self) -> Iterator[tuple[str, bytes]]:
        """The files of the bus and of the database as they lie on the disk."""
        for name in ("nats", "store"):
            for path in files_below(self.folder / name):
                yield str(path.relative_to(self.folder)), path.read_bytes()

    def sandbox_files(self) -> Iterator[tuple[str, bytes]]:
        """Everything in the homes of the sandboxes; the prepared root is the same for all."""
        for path in files_below(self.folder / "daytona"):
            if "roots" not in path.parts:
                yield str(path.relative_to(self.folder)), path.read_bytes()

    def sandbox_processes(self) -> Iterator[tuple[str, str]]:
        """Command lines and environments of all that runs below the sandbox host."""
        host = psutil.Process(self.process("daytona")["pid"])
        for process in host.children(recursive=True):
            for what in ("cmdline", "environ"):
                with contextlib.suppress(OSError):
                    content = Path(f"/proc/{process.pid}/{what}").read_bytes()
                    yield f"{process.pid} {what}", content.decode(errors="replace")

    def kept(self) -> Iterator[tuple[str, str]]:
        yield from self.documents(with_log=True)
        yield from self.messages()
        yield from self.logs()


def search(places: Iterable[tuple[str, str]], texts: Mapping[str, str]) -> Found:
    """Where one of `texts` stands, by its name."""
    return [
        (where, name)
        for where, text in places
        for name, wanted in texts.items()
        if wanted and wanted in text
    ]


def search_bytes(places: Iterable[tuple[str, bytes]], texts: Mapping[str, str]) -> Found:
    return [
        (where, name)
        for where, content in places
        for name, wanted in texts.items()
        if wanted.encode() in content
    ]


def forms(name: str, value: str) -> dict[str, str]:
    """The texts by which a secret is recognised, each with a name of its own."""
    content = value.encode()
    found = {
        name: value,
        f"{name} in a URL": quote(value, safe=""),
        f"{name} in a form": quote_plus(value),
        f"{name} in JSON": json.dumps(value)[1:-1],
        f"{name} in hexadecimal": content.hex(),
    }
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + content).decode()
        inner = encoded[(offset * 8 + 5) // 6 : (offset + len(content)) * 8 // 6]
        found[f"{name} in base64 at {offset}"] = inner
    return found


def dumped(document: object) -> str:
    """A document as text; bytes as the text they hold, where they do."""
    text = json_util.dumps(document, ensure_ascii=False)
    return text + repr(document)


def files_below(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent) / name
            if path.is_file() and not path.is_symlink():
                yield path
