"""Composition root: the service, and the rotation command."""

from datetime import timedelta

from common import mongo
from common.clock import utc_now
from common.messaging.events import EventPublisher
from common.messaging.loops import Hint, every
from common.outbox import OutboxRelay
from common.providers import PROVIDERS
from common.running import Backbone, backbone, run_until_stopped

from keys.adapters.master_key import LocalMasterKey
from keys.adapters.mongo.audit import MongoAudit
from keys.adapters.mongo.choices import MongoChoices
from keys.adapters.mongo.data_keys import MongoDataKeys
from keys.adapters.mongo.indexes import MIGRATIONS, indexes
from keys.adapters.mongo.owners import MongoOwners
from keys.adapters.mongo.secrets import MongoSecrets
from keys.adapters.mongo.tokens import MongoTokens
from keys.endpoints import serve_owners, serve_secrets, serve_settings, serve_tokens
from keys.model.choice import Choice
from keys.ports import MasterKey
from keys.service.choices import ChoicesService
from keys.service.owners import OwnersService, Stores
from keys.service.rotation import rotate
from keys.service.secrets import SecretsService, Vault
from keys.service.tokens import TokensService
from keys.settings import Settings

SERVICE = "keys"
_OUTBOX_EVERY = timedelta(seconds=1)
_PURGE_EVERY = timedelta(minutes=10)


async def run(settings: Settings) -> None:
    """Serve until told to stop."""
    master, opened = master_key(settings), Opened()
    async with backbone(
        settings,
        SERVICE,
        health_host=settings.health_host,
        health_port=settings.health_port,
        checks={"endpoints": opened.check},
    ) as connections:
        await mongo.prepare(
            connections.database, indexes(audit_retention=settings.audit_retention), MIGRATIONS
        )
        events = Hint()
        owners = await serve(connections, settings, master, events)
        opened.is_open = True
        await run_until_stopped(
            every(_OUTBOX_EVERY, outbox_relay(connections).run_batched, hint=events),
            every(_PURGE_EVERY, owners.purge),
            server=connections.server,
        )


class Opened:
    """Not ready before every RPC is answered."""

    def __init__(self) -> None:
        self.is_open = False

    async def check(self) -> None:
        if not self.is_open:
            message = "not serving yet"
            raise ConnectionError(message)


async def serve(
    connections: Backbone, settings: Settings, master: MasterKey, events: Hint
) -> OwnersService:
    """Answer every RPC of this service."""
    stores = stores_in(connections.database)
    owners = OwnersService(stores, utc_now)
    secrets = SecretsService(
        secrets=stores.secrets,
        vault=Vault(stores.data_keys, master),
        owners=stores.owners,
        audit=stores.audit,
        clock=utc_now,
    )
    choices = ChoicesService(stores.choices, stores.owners, default_choice(settings))
    tokens = TokensService(stores.tokens, stores.owners, utc_now)
    await serve_owners(connections.server, owners, events=events)
    await serve_secrets(connections.server, secrets, events=events)
    await serve_settings(connections.server, choices)
    await serve_tokens(connections.server, tokens)
    return owners


def stores_in(database: mongo.Database) -> Stores:
    return Stores(
        owners=MongoOwners(database["owners"]),
        data_keys=MongoDataKeys(database["data_keys"]),
        secrets=MongoSecrets(database["secrets"]),
        choices=MongoChoices(database["settings"]),
        tokens=MongoTokens(database["api_tokens"]),
        audit=MongoAudit(database["audit"]),
    )


def outbox_relay(connections: Backbone) -> OutboxRelay:
    database = connections.database
    collections = [database[name] for name in ("owners", "secrets", "audit")]
    return OutboxRelay(collections, database["events"], EventPublisher(connections.jetstream))


def master_key(settings: Settings) -> MasterKey:
    return LocalMasterKey(settings.current_key(), settings.previous_keys())


def default_choice(settings: Settings) -> Choice:
    provider = PROVIDERS[settings.default_provider]
    return Choice(provider.name, settings.default_model or provider.default_model)


async def run_rotation(settings: Settings) -> int:
    """Wrap every data key with the current master key; how many were wrapped anew."""
    client = mongo.open_client(settings.mongodb_uri.get_secret_value())
    try:
        data_keys = MongoDataKeys(mongo.database_of(client, SERVICE)["data_keys"])
        return await rotate(data_keys, master_key(settings))
    finally:
        await client.close()
