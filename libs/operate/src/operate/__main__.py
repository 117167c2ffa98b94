"""`python -m operate COMMAND`: see `--help`."""

import argparse
import asyncio
import json
import logging
import sys

from common.errors import AppError
from common.messaging import connection as bus
from common.messaging.rpc import RpcClient
from common.mongo import open_client
from nats.aio.client import Client as NatsClient
from pydantic import ValidationError
from pymongo.errors import PyMongoError

from operate import backup, documents, events, readers
from operate.cli import parser
from operate.control import Control
from operate.errors import OperateError, StillBusyError
from operate.settings import Settings

DONE, FAILED, NOT_AS_IT_SHOULD_BE = 0, 1, 3
EVERYBODY = "everybody"
_CONNECT_S = 10.0
_WITHOUT_SERVICES = {"backup", "restore", "republish", "events"}


def main(arguments: list[str]) -> int:
    asked = parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        if asked.command in {"verify", "reader"}:
            return on_files(asked)
        return asyncio.run(run(asked))
    except (AppError, OperateError, PyMongoError, ValidationError) as error:
        sys.stderr.write(f"operate: {reason(error)}\n")
        return NOT_AS_IT_SHOULD_BE if isinstance(error, StillBusyError) else FAILED


def reason(error: Exception) -> str:
    if isinstance(error, AppError):
        return f"{error.detail} ({error.code})"
    if isinstance(error, ValidationError):
        problems = error.errors(include_url=False, include_input=False)
        return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in problems)
    return str(error)


def on_files(asked: argparse.Namespace) -> int:
    if asked.command == "verify":
        say(f"whole, begun {backup.verified(asked.folder)['began']}")
    else:
        say(readers.add(asked.name, asked.into, asked.server))
        say(f"{asked.name} is in {asked.into}: let the servers read it again (SIGHUP)")
    return DONE


async def run(asked: argparse.Namespace) -> int:
    settings = Settings()
    nats = await connected(settings.nats_url.get_secret_value())
    try:
        if asked.command in _WITHOUT_SERVICES:
            store = open_client(settings.mongodb_uri.get_secret_value())
            try:
                return await on_stores(asked, nats, store)
            finally:
                await store.close()
        return await on_services(asked, nats)
    finally:
        await nats.close()


async def connected(url: str) -> NatsClient:
    try:
        async with asyncio.timeout(_CONNECT_S):
            return await bus.connect(url, "operator")
    except TimeoutError as exc:
        message = "NATS does not answer, or not to this user"
        raise OperateError(message) from exc


async def on_stores(asked: argparse.Namespace, nats: NatsClient, store: documents.Client) -> int:
    match asked.command:
        case "backup":
            await backup.save(nats, store, asked.folder, say)
        case "restore":
            await backup.load(nats, store, asked.folder, say, replace=asked.replace)
        case "events":
            async for event in events.archived(store, wanted(asked)):
                say(json.dumps(event["body"], ensure_ascii=False))
        case _:
            await republish(asked, nats, store)
    return DONE


async def republish(asked: argparse.Namespace, nats: NatsClient, store: documents.Client) -> None:
    if asked.dry_run:
        told = await events.counted(store, wanted(asked))
    else:
        told = await events.republish(nats, store, wanted(asked))
    for name, count in sorted(told.again.items()):
        say(f"{count:7} {name}")
    say(f"{sum(told.again.values())} events {'would be told' if asked.dry_run else 'told'} again")
    if told.still_there:
        say(f"{told.still_there} were told less than 10 minutes ago: the stream has them already")


async def on_services(asked: argparse.Namespace, nats: NatsClient) -> int:
    control = Control(RpcClient(nats), getattr(asked, "by", ""), say)
    match asked.command:
        case "balance":
            return DONE if await control.balance() else NOT_AS_IT_SHOULD_BE
        case "sandboxes":
            await control.sandboxes(
                state=asked.state, owner_id=asked.owner, skill=asked.skill, as_json=asked.json
            )
        case "restrictions":
            await control.restrictions()
        case "audit":
            await control.audit(asked.limit)
        case _:
            await restrict(asked, control)
    return DONE


async def restrict(asked: argparse.Namespace, control: Control) -> None:
    match asked.command:
        case "block":
            await control.block(asked.skill, asked.reason)
        case "unblock":
            await control.unblock(asked.skill, asked.reason)
        case "drain":
            await control.drain(whom(asked), asked.reason, asked.wait)
        case _:
            await control.resume(whom(asked), asked.reason)


def whom(asked: argparse.Namespace) -> str | None:
    return None if asked.whom == EVERYBODY else str(asked.whom)


def wanted(asked: argparse.Namespace) -> events.Wanted:
    return events.Wanted(asked.since, asked.until, asked.types or ())


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
