"""Every port in its real form."""

from dataclasses import dataclass

from common.contracts.skills import BUNDLE_BUCKET
from common.messaging.journal import Journal
from common.messaging.objects import ObjectBucket, TransferBucket
from common.messaging.wire import Wire
from common.mongo import Database, Migration
from common.outbox import ARCHIVE_INDEXES
from common.preview import PreviewGuard
from common.running import Backbone

from sandbox_manager.adapters.agents import PreviewAgents
from sandbox_manager.adapters.bus import BusJournal, BusKeys, BusSkills
from sandbox_manager.adapters.daytona.accounts import AccountsProvider
from sandbox_manager.adapters.daytona.provider import DaytonaProvider
from sandbox_manager.adapters.daytona.toolbox import Toolbox
from sandbox_manager.adapters.inside.commands import InsideCommands
from sandbox_manager.adapters.inside.workspaces import SandboxWorkspaces
from sandbox_manager.adapters.mongo.accounts import ACCOUNT_INDEXES, ACCOUNTS, MongoAccounts
from sandbox_manager.adapters.mongo.launches import LAUNCH_INDEXES, LAUNCHES, MongoLaunches
from sandbox_manager.adapters.mongo.others import (
    ACKNOWLEDGEMENTS,
    ORPHANS,
    POINTERS,
    MongoAcknowledgements,
    MongoOrphans,
    MongoSnapshotPointer,
)
from sandbox_manager.adapters.mongo.restrictions import (
    DEED_INDEXES,
    DEEDS,
    RESTRICTIONS,
    MongoDeeds,
    MongoRestrictions,
)
from sandbox_manager.adapters.mongo.sandboxes import SANDBOX_INDEXES, SANDBOXES, MongoSandboxes
from sandbox_manager.adapters.sealing import AesSealer
from sandbox_manager.adapters.signing import Ed25519Signer
from sandbox_manager.ports.inside import Agents, Inside, Workspaces
from sandbox_manager.ports.own import Sealer, Signer
from sandbox_manager.ports.provider import SandboxProvider
from sandbox_manager.ports.services import Keys, LaunchJournal, Skills, Transfer
from sandbox_manager.ports.stores import (
    Accounts,
    Acknowledgements,
    Deeds,
    Launches,
    Orphans,
    Restrictions,
    Sandboxes,
    SnapshotPointer,
)
from sandbox_manager.service.accounts import AccountKeys
from sandbox_manager.settings import Settings

EVENTS = "events"
INDEXES = {
    SANDBOXES: SANDBOX_INDEXES,
    LAUNCHES: LAUNCH_INDEXES,
    ACCOUNTS: ACCOUNT_INDEXES,
    DEEDS: DEED_INDEXES,
    EVENTS: ARCHIVE_INDEXES,
}
MIGRATIONS: tuple[Migration, ...] = ()
"""Numbered by their place: only ever added to, at the end."""


@dataclass(frozen=True)
class Stores:
    sandboxes: Sandboxes
    launches: Launches
    accounts: Accounts
    acknowledgements: Acknowledgements
    restrictions: Restrictions
    deeds: Deeds
    orphans: Orphans
    pointer: SnapshotPointer


@dataclass(frozen=True)
class Adapters:
    stores: Stores
    provider: SandboxProvider
    inside: Inside
    workspaces: Workspaces
    agents: Agents
    skills: Skills
    keys: Keys
    journal: LaunchJournal
    transfer: Transfer
    sealer: Sealer
    signer: Signer


def stores_in(database: Database) -> Stores:
    return Stores(
        sandboxes=MongoSandboxes(database[SANDBOXES]),
        launches=MongoLaunches(database[LAUNCHES]),
        accounts=MongoAccounts(database[ACCOUNTS]),
        acknowledgements=MongoAcknowledgements(database[ACKNOWLEDGEMENTS]),
        restrictions=MongoRestrictions(database[RESTRICTIONS]),
        deeds=MongoDeeds(database[DEEDS]),
        orphans=MongoOrphans(database[ORPHANS]),
        pointer=MongoSnapshotPointer(database[POINTERS]),
    )


def all_accounts(
    settings: Settings, operators: DaytonaProvider, accounts: Accounts
) -> AccountsProvider:
    return AccountsProvider(
        operators,
        accounts=accounts,
        key_of=AccountKeys(accounts, AesSealer(settings.key())).key_of,
        api_url=settings.own_account_api_url,
        guard=PreviewGuard(settings.preview_domains),
    )


def adapters_of(
    connections: Backbone,
    stores: Stores,
    provider: AccountsProvider,
    agents: PreviewAgents,
    wire: Wire,
    key: bytes,
) -> Adapters:
    toolbox, jetstream = Toolbox(provider), connections.jetstream
    return Adapters(
        stores=stores,
        provider=provider,
        inside=InsideCommands(toolbox),
        workspaces=SandboxWorkspaces(toolbox),
        agents=agents,
        skills=BusSkills(connections.rpc, ObjectBucket(jetstream, BUNDLE_BUCKET)),
        keys=BusKeys(connections.rpc),
        journal=BusJournal(Journal(wire, jetstream)),
        transfer=TransferBucket(jetstream),
        sealer=AesSealer(key),
        signer=Ed25519Signer(key),
    )
