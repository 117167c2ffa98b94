"""Composition root of the service."""

from contextlib import AsyncExitStack
from datetime import timedelta

import uvloop
from common import mongo
from common.clock import utc_now
from common.contracts.events import OWNER_ERASED
from common.ids import new_id
from common.messaging.events import EventPublisher, consume
from common.messaging.journal import Journal
from common.messaging.loops import every
from common.messaging.objects import TransferBucket
from common.messaging.wire import open_wire
from common.metrics.table import JOURNAL_LAG, TURNS_HELD
from common.outbox import OutboxRelay
from common.preview import PreviewGuard, open_agent_http, resolver_of
from common.running import Backbone, backbone, run_until_stopped, settle
from common.telemetry.configuring import configure

from chat_proxy.adapters.hermes.agents import HermesAgents
from chat_proxy.adapters.live import BusJournal
from chat_proxy.adapters.mongo import collections
from chat_proxy.adapters.mongo.answers import MongoAnswers
from chat_proxy.adapters.mongo.approvals import MongoApprovals
from chat_proxy.adapters.mongo.holdings import MongoHoldings
from chat_proxy.adapters.mongo.sessions import MongoSessions
from chat_proxy.adapters.mongo.shares import MongoShares
from chat_proxy.adapters.mongo.turns import MongoTurns
from chat_proxy.adapters.mongo.usage import MongoUsage
from chat_proxy.adapters.redacting import RedactingAgents
from chat_proxy.adapters.replicas import RpcReplicas
from chat_proxy.adapters.sandboxes import RpcSandboxes
from chat_proxy.adapters.skills import RpcSkills
from chat_proxy.adapters.transfer import BusTransfer
from chat_proxy.consumers import owner_erased
from chat_proxy.endpoints import (
    serve_copies,
    serve_erasing,
    serve_journal,
    serve_sessions,
    serve_turns,
    serve_usage,
)
from chat_proxy.ports import Agents
from chat_proxy.reconcilers import PurgeReconciler, TakeoverReconciler
from chat_proxy.service.approvals import ApprovalService
from chat_proxy.service.attaching import AttachService
from chat_proxy.service.closing import Closing
from chat_proxy.service.erasing import Erasing
from chat_proxy.service.exporting import ExportService
from chat_proxy.service.outside import Limits, Outside
from chat_proxy.service.runners import Runners
from chat_proxy.service.sessions import SessionService
from chat_proxy.service.sharing import SharingService
from chat_proxy.service.spending import Spending
from chat_proxy.service.takeover import Takeover
from chat_proxy.service.turns import TurnService
from chat_proxy.settings import Settings

SERVICE = "chat-proxy"
_OUTBOX_EVERY = timedelta(seconds=1)
_TAKEOVER_EVERY = timedelta(seconds=10)
_PURGE_EVERY = timedelta(minutes=1)


def main() -> None:
    settings = Settings()
    configure(SERVICE, settings.telemetry)
    uvloop.run(run(settings))


async def run(settings: Settings) -> None:
    """Serve until told to stop; what still runs then is handed over."""
    async with AsyncExitStack() as stack:
        connections = await stack.enter_async_context(
            backbone(
                settings,
                SERVICE,
                health_host=settings.health_host,
                health_port=settings.health_port,
            )
        )
        await mongo.prepare(connections.database, collections.INDEXES, collections.MIGRATIONS)
        http = await stack.enter_async_context(open_agent_http(settings.preview_domains))
        agents = HermesAgents(
            http,
            PreviewGuard(settings.preview_domains),
            resolver=resolver_of(settings.preview_domains),
            rest=settings.agent_rest,
        )
        stack.push_async_callback(agents.close)
        wire = await stack.enter_async_context(
            open_wire(settings.nats_url.get_secret_value(), SERVICE, ca_file=settings.nats_ca_file)
        )
        journal = Journal(wire, connections.jetstream)
        outside = outside_of(settings, connections, RedactingAgents(agents), journal)
        runners = Runners(outside)
        TURNS_HELD.watch(lambda: len(runners.turn_ids()))
        JOURNAL_LAG.watch(runners.lag_s)
        stack.push_async_callback(runners.hand_over)
        erasing = await serve(connections, outside, runners)
        settle()
        await run_until_stopped(
            every(_OUTBOX_EVERY, outbox_relay(connections).run_batched),
            consume(connections.jetstream, OWNER_ERASED, owner_erased(erasing), durable=SERVICE),
            every(_TAKEOVER_EVERY, TakeoverReconciler(Takeover(outside, runners)).run_once),
            every(_PURGE_EVERY, PurgeReconciler(outside.sessions).run_once),
            server=connections.server,
        )


def outside_of(
    settings: Settings, connections: Backbone, agents: Agents, journal: Journal
) -> Outside:
    database, rpc = connections.database, connections.rpc
    return Outside(
        me=new_id("prc"),
        sessions=MongoSessions(database),
        turns=MongoTurns(database),
        answers=MongoAnswers(database),
        approvals=MongoApprovals(database),
        usage=MongoUsage(database),
        shares=MongoShares(database),
        transfer=BusTransfer(TransferBucket(connections.jetstream)),
        sandboxes=RpcSandboxes(rpc),
        skills=RpcSkills(rpc),
        agents=agents,
        live=BusJournal(journal),
        replicas=RpcReplicas(rpc),
        clock=utc_now,
        limits=Limits(
            approval=settings.approval_ttl,
            agent_approval=settings.agent_approval_ttl + timedelta(seconds=10),
            reattach=settings.reattach,
            silence=settings.silence,
            turns_per_owner=settings.turns_per_owner,
            daily_tokens=settings.daily_tokens,
            answer_chars=settings.answer_chars,
        ),
    )


async def serve(connections: Backbone, outside: Outside, runners: Runners) -> Erasing:
    """Answer every RPC of this service."""
    server = connections.server
    spending = Spending(outside)
    closing = Closing(outside, runners)
    turns = TurnService(outside, runners, spending, closing)
    sessions = SessionService(outside, turns, closing)
    erasing = Erasing(outside, MongoHoldings(connections.database), sessions)
    await serve_sessions(server, sessions)
    await serve_erasing(server, erasing)
    await serve_usage(server, spending)
    await serve_copies(server, ExportService(outside), SharingService(outside, closing))
    await serve_turns(server, turns, me=outside.me)
    await serve_journal(
        server, AttachService(outside, runners), ApprovalService(outside, runners), me=outside.me
    )
    return erasing


def outbox_relay(connections: Backbone) -> OutboxRelay:
    database = connections.database
    names = (collections.SESSIONS, collections.TURNS, collections.APPROVALS)
    return OutboxRelay(
        [database[name] for name in names],
        database[collections.ARCHIVE],
        EventPublisher(connections.jetstream),
    )
