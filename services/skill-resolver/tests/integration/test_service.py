"""The whole service on a real bus and a real store, with a small GitHub."""

import asyncio
import base64
import io
import random
import tarfile
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from common.clock import utc_now
from common.contracts import skills as contract
from common.contracts.events import SKILL_RESOLVED
from common.digest import skill_digest
from common.errors import AppError, ErrorCode
from common.messaging.events import EventPublisher
from common.messaging.objects import ObjectBucket
from common.messaging.rpc import RpcClient, RpcServer
from common.mongo import Database, ensure_indexes
from common.outbox import OutboxRelay
from nats.aio.client import Client
from skill_resolver.adapters.bundles import ObjectBundles
from skill_resolver.adapters.mongo import INDEXES, RESOLUTIONS, MongoResolutions
from skill_resolver.adapters.policy import PolicyFile
from skill_resolver.endpoints import serve
from skill_resolver.main import build, http_client
from skill_resolver.settings import Settings

MakeArchive = Callable[..., bytes]
Md = Callable[..., str]


@pytest.fixture
async def rpc(
    github: Any,
    make_archive: MakeArchive,
    md: Md,
    database: Database,
    nats_connection: Client,
    tmp_path: Path,
) -> AsyncIterator[RpcClient]:
    hello = tmp_path / "skills" / "hello"
    hello.mkdir(parents=True)
    (hello / "SKILL.md").write_text(md("hello"), encoding="utf-8")
    files = {
        "skills/pdf/SKILL.md": md("pdf"),
        "skills/pdf/scripts/run.sh": ("exec", "#!/bin/sh\n"),
        "skills/pdf/guide.md": ("link", "../../guide.md"),
        "guide.md": "# guide",
        "skills/docx/SKILL.md": md("docx"),
    }
    github.archives["acme/tools@HEAD"] = make_archive(files)
    settings = Settings(
        github_codeload_url=f"{github.url}/codeload",
        github_web_url=f"{github.url}/web",
        github_api_url=f"{github.url}/api",
        local_roots=(f"mine={tmp_path}/skills",),
        max_archive_bytes=2_000_000,
    )
    await ensure_indexes(database, INDEXES)
    bundles = ObjectBundles(ObjectBucket(nats_connection.jetstream(), contract.BUNDLE_BUCKET))
    async with (
        http_client() as client,
        RpcServer(nats_connection, service="skill-resolver") as server,
    ):
        resolver = build(settings, client, MongoResolutions(database), bundles, PolicyFile(None))
        await serve(server, resolver)
        yield RpcClient(nats_connection)
        await resolver.drain()


async def resolve(rpc: RpcClient, ref: str) -> contract.ResolvedSkill:
    return await rpc.call(contract.RESOLVE, contract.ResolveSkill(ref=ref))


class TestResolve:
    async def test_cold_one_request_warm_none(self, rpc: RpcClient, github: Any) -> None:
        cold = await resolve(rpc, "acme/tools/pdf")
        warm = await resolve(rpc, "https://skills.sh/acme/tools/pdf")

        assert warm.model_copy(update={"ref": cold.ref}) == cold
        assert github.count == {"codeload": 1}

    async def test_ten_at_once_cost_one_request(self, rpc: RpcClient, github: Any) -> None:
        found = await asyncio.gather(*(resolve(rpc, "acme/tools/pdf") for _ in range(10)))

        assert len({skill.digest for skill in found}) == 1
        assert github.count == {"codeload": 1}

    async def test_a_repository_too_large_for_its_archive_is_read_by_git(
        self, rpc: RpcClient, github: Any, md: Md, make_archive: MakeArchive
    ) -> None:
        files = {"skills/pdf/SKILL.md": md("pdf").encode(), "skills/pdf/a.bin": bytes(range(256))}
        commit = github.repository("acme/large", {**files, "noise": bytes(9)})
        noise = random.Random(1).randbytes(3_000_000)
        github.archives["acme/large@HEAD"] = make_archive({"noise": noise}, commit=commit)

        skill = await resolve(rpc, "acme/large/pdf")

        assert (skill.commit, skill.path, len(skill.files)) == (commit, "skills/pdf", 2)
        found = await rpc.call(
            contract.READ_SKILL_FILE, contract.ReadSkillFile(digest=skill.digest, path="a.bin")
        )
        assert base64.b64decode(found.content_base64) == bytes(range(256))
        assert github.count["codeload"] == 1

    async def test_a_limit_is_told_with_its_time_and_what_is_known_still_answers(
        self, rpc: RpcClient, github: Any
    ) -> None:
        known = await resolve(rpc, "acme/tools/pdf")
        await rpc.call(
            contract.LIST_REPOSITORY, contract.ListRepository(owner="acme", repo="tools")
        )
        github.answers.append(lambda _: web.Response(status=429, headers={"retry-after": "120"}))

        for ref in ("acme/other/pdf", "acme/another"):
            with pytest.raises(AppError) as refused:
                await resolve(rpc, ref)
            assert refused.value.code == ErrorCode.SOURCE_RATE_LIMITED
            wait = (refused.value.retry_at or utc_now()) - utc_now()
            assert timedelta(seconds=100) < wait < timedelta(seconds=121)

        assert await resolve(rpc, "acme/tools/pdf") == known
        assert (await resolve(rpc, "acme/tools/docx")).name == "docx"
        await rpc.call(contract.GET_BUNDLE, contract.GetBundle(digest=known.digest))
        assert github.count["codeload"] == 2

    async def test_a_refusal_travels_with_its_candidates(self, rpc: RpcClient) -> None:
        with pytest.raises(AppError) as refused:
            await resolve(rpc, "acme/tools")

        assert refused.value.code == ErrorCode.SKILL_AMBIGUOUS
        assert [c["ref"] for c in refused.value.extra["candidates"]] == [
            "acme/tools/docx",
            "acme/tools/pdf",
        ]

    async def test_a_local_skill(self, rpc: RpcClient, github: Any) -> None:
        skill = await resolve(rpc, "local/mine/hello")

        assert (skill.owner, skill.path) == ("local", "hello")
        assert not github.count


class TestFiles:
    async def test_the_bundle_holds_what_the_digest_says(
        self, rpc: RpcClient, nats_connection: Client
    ) -> None:
        skill = await resolve(rpc, "acme/tools/pdf")
        bundle = await rpc.call(contract.GET_BUNDLE, contract.GetBundle(digest=skill.digest))
        bucket = ObjectBucket(nats_connection.jetstream(), bundle.bucket)

        content = await bucket.get(bundle.object_name)

        assert content is not None
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            files = [
                (m.name, m.mode, (archive.extractfile(m) or io.BytesIO()).read()) for m in archive
            ]
        assert skill_digest(files) == skill.digest
        assert {name for name, _, _ in files} == {
            file.path for file in [*skill.files, *skill.linked_files]
        }

    async def test_a_single_file(self, rpc: RpcClient) -> None:
        skill = await resolve(rpc, "acme/tools/pdf")

        found = await rpc.call(
            contract.READ_SKILL_FILE,
            contract.ReadSkillFile(digest=skill.digest, path="scripts/run.sh"),
        )

        assert (found.mode, base64.b64decode(found.content_base64)) == (0o755, b"#!/bin/sh\n")

    async def test_a_skill_by_its_digest(self, rpc: RpcClient) -> None:
        skill = await resolve(rpc, "acme/tools/pdf")

        again = await rpc.call(contract.GET_SKILL, contract.GetSkill(digest=skill.digest))

        assert (again.commit, again.path) == (skill.commit, skill.path)

    async def test_a_repository_is_listed(self, rpc: RpcClient) -> None:
        listing = await rpc.call(
            contract.LIST_REPOSITORY, contract.ListRepository(owner="ACME", repo="tools")
        )

        assert [skill.name for skill in listing.skills] == ["docx", "pdf"]


class TestEvents:
    async def test_a_new_resolution_is_announced_once(
        self, rpc: RpcClient, database: Database, nats_connection: Client
    ) -> None:
        skill = await resolve(rpc, "acme/tools/pdf")
        await resolve(rpc, "acme/tools/pdf")
        jetstream = nats_connection.jetstream()
        relay = OutboxRelay([database[RESOLUTIONS]], database["events"], EventPublisher(jetstream))

        assert await relay.run_once() == 1
        last = await jetstream.get_last_msg("EVENTS", SKILL_RESOLVED.subject)
        assert skill.digest.encode() in (last.data or b"")
