"""The composition root of the resolver."""

from contextlib import AsyncExitStack
from datetime import timedelta

import httpx
from common.clock import utc_now
from common.contracts.skills import BUNDLE_BUCKET
from common.messaging.events import EventPublisher
from common.messaging.loops import every
from common.messaging.objects import ObjectBucket
from common.mongo import prepare
from common.outbox import ARCHIVE_INDEXES, OutboxRelay
from common.running import Backbone, backbone, run_until_stopped
from common.settings import SharedSettings

from skill_resolver.adapters.archive import ArchiveLimits
from skill_resolver.adapters.bundles import ObjectBundles
from skill_resolver.adapters.git import Git
from skill_resolver.adapters.github import GitHub
from skill_resolver.adapters.gitroots import GitRoots, OpenPlaces
from skill_resolver.adapters.http import GitHubHosts, Requests, Times
from skill_resolver.adapters.local import LocalDirectories
from skill_resolver.adapters.mongo import INDEXES, MIGRATIONS, RESOLUTIONS, MongoResolutions
from skill_resolver.adapters.policy import PolicyFile
from skill_resolver.adapters.sparse import SparseLimits
from skill_resolver.endpoints import serve
from skill_resolver.model.selection import Limits
from skill_resolver.reconcilers import ForgetUnused
from skill_resolver.service import Resolver, Rules, SnapshotBudget, Snapshots
from skill_resolver.settings import Settings, environment_of_git

SERVICE = "skill-resolver"
_RELAY_EVERY = timedelta(seconds=1)
_FORGET_EVERY = timedelta(hours=1)
_POLICY_EVERY = timedelta(seconds=5)


async def run(settings: Settings, shared: SharedSettings) -> None:
    """Serve until told to stop."""
    async with AsyncExitStack() as stack:
        bone = await stack.enter_async_context(
            backbone(
                shared,
                SERVICE,
                health_host=settings.health_host,
                health_port=settings.health_port,
            )
        )
        await prepare(bone.database, {**INDEXES, "events": ARCHIVE_INDEXES}, MIGRATIONS)
        client = await stack.enter_async_context(http_client())
        known = MongoResolutions(bone.database)
        bucket = ObjectBucket(bone.jetstream, BUNDLE_BUCKET)
        bundles = ObjectBundles(bucket)
        policy = PolicyFile(settings.policy_file)
        resolver = build(settings, client, known, bundles, policy)
        stack.push_async_callback(resolver.drain)
        await serve(bone.server, resolver)
        forget = ForgetUnused(known, bundles, after=settings.forget_after, clock=utc_now)
        await run_until_stopped(
            every(_RELAY_EVERY, _relay(bone).run_batched),
            every(_FORGET_EVERY, forget.run_once),
            every(_POLICY_EVERY, policy.run_once),
            server=bone.server,
        )


def build(
    settings: Settings,
    client: httpx.AsyncClient,
    known: MongoResolutions,
    bundles: ObjectBundles,
    policy: PolicyFile,
) -> Resolver:
    budget = SnapshotBudget(disk_bytes=settings.snapshot_disk_bytes)
    rules = Rules(
        own_hosts=frozenset(host.lower() for host in settings.own_hosts),
        policy=policy,
        limits=Limits(files=settings.max_skill_files, total_bytes=settings.max_skill_bytes),
    )
    snapshots = Snapshots(_github(settings, client), known, utc_now, budget)
    return Resolver(snapshots, _places(settings), known, bundles, rules, utc_now)


def _git(settings: Settings, token: str = "") -> Git:
    return Git(
        environment_of_git(),
        timeout=settings.git_timeout,
        file_bytes=settings.max_archive_bytes,
        token=token,
    )


def _places(settings: Settings) -> OpenPlaces:
    """What the operator opened: directories of this machine, and addresses of git servers, which
    never see the token for GitHub.
    """
    addresses = [root for root in settings.local_roots if "://" in root]
    directories = [root for root in settings.local_roots if "://" not in root]
    most = settings.max_skill_bytes
    return OpenPlaces(
        LocalDirectories(directories, settings.local_base, file_bytes=most),
        GitRoots(addresses, _git(settings), SparseLimits(file_bytes=most)),
    )


def _github(settings: Settings, client: httpx.AsyncClient) -> GitHub:
    token = settings.github_token.get_secret_value()
    hosts = GitHubHosts(
        codeload=settings.github_codeload_url,
        web=settings.github_web_url,
        api=settings.github_api_url,
    )
    git = _git(settings, token)
    limits = ArchiveLimits(
        packed_bytes=settings.max_archive_bytes, file_bytes=settings.max_skill_bytes
    )
    requests = Requests(client, hosts, token=token)
    times = Times(settings.archive_begins_within, settings.archive_timeout)
    return GitHub(requests, hosts, git, limits=limits, archive_times=times)


def http_client() -> httpx.AsyncClient:
    return httpx.AsyncClient(
        headers={"User-Agent": "tryskills-resolver"},
        timeout=httpx.Timeout(15, connect=3),
        limits=httpx.Limits(max_connections=40, max_keepalive_connections=10),
        follow_redirects=False,
        trust_env=True,
    )


def _relay(bone: Backbone) -> OutboxRelay:
    database = bone.database
    return OutboxRelay([database[RESOLUTIONS]], database["events"], EventPublisher(bone.jetstream))
