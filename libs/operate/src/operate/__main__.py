"""`python -m operate backup FOLDER`, `restore FOLDER [--replace]`, `verify FOLDER`.

`NATS_URL` (user `operator`) and `MONGODB_URI` say where.
"""

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from common.messaging import connection as bus
from common.mongo import open_client
from pymongo.errors import PyMongoError

from operate import backup
from operate.errors import OperateError
from operate.settings import Settings


def main(arguments: list[str]) -> int:
    asked = parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        if asked.command == "verify":
            manifest = backup.verified(asked.folder)
            say(f"whole, begun {manifest['began']}")
        else:
            asyncio.run(run(asked))
    except (OperateError, PyMongoError) as error:
        sys.stderr.write(f"operate: {error}\n")
        return 1
    return 0


async def run(asked: argparse.Namespace) -> None:
    settings = Settings()
    store = open_client(settings.mongodb_uri.get_secret_value())
    nats = await bus.connect(settings.nats_url.get_secret_value(), "operator")
    try:
        if asked.command == "backup":
            await backup.save(nats, store, asked.folder, say)
        else:
            await backup.load(nats, store, asked.folder, say, replace=asked.replace)
    finally:
        await nats.close()
        await store.close()


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m operate", description=__doc__)
    commands = made.add_subparsers(dest="command", required=True)
    saving = commands.add_parser("backup", help="write streams and databases into a folder")
    loading = commands.add_parser("restore", help="put a back-up in the place of what is there")
    loading.add_argument("--replace", action="store_true", help="delete what is there first")
    checking = commands.add_parser("verify", help="say whether a back-up is whole")
    for command in (saving, loading, checking):
        command.add_argument("folder", type=Path)
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
