"""What is remembered, in a real store."""

from dataclasses import replace
from datetime import timedelta

import pytest
from common.contracts.events import SKILL_RESOLVED, OutgoingEvent, SkillResolved
from common.contracts.skills import (
    RepositorySkills,
    ResolvedSkill,
    SafetyReport,
    Severity,
    SkillFile,
    Verdict,
)
from common.mongo import Database, ensure_indexes
from common.testing.fakes import START, StoppedClock
from skill_resolver.adapters.mongo import INDEXES, MongoResolutions
from skill_resolver.model.report import Finding
from skill_resolver.ports import Head


def skill(number: int = 1, commit: str = "a" * 40) -> ResolvedSkill:
    digest = f"sha256:{number:064x}"
    return ResolvedSkill(
        ref="",
        owner="acme",
        repo="tools",
        commit=commit,
        path="skills/pdf",
        name="pdf\x1b\u202e",
        description="d",
        metadata={"a.b": {"$c": "1"}, "": None},
        digest=digest,
        files=[SkillFile(path="SKILL.md", size=1, mode=0o644, sha256="0" * 64)],
        total_bytes=1,
        report=SafetyReport(verdict=Verdict.CLEAR),
        resolved_at=START,
    )


def event(of: ResolvedSkill) -> OutgoingEvent:
    data = SkillResolved(
        owner=of.owner,
        repo=of.repo,
        commit=of.commit,
        path=of.path,
        digest=of.digest,
        verdict="clear",
    )
    return SKILL_RESOLVED.of(data, entity_id=of.digest, at=START)


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
async def known(database: Database, clock: StoppedClock) -> MongoResolutions:
    await ensure_indexes(database, INDEXES)
    return MongoResolutions(database, clock)


class TestAnswers:
    async def test_an_answer_comes_back_whole(self, known: MongoResolutions) -> None:
        await known.save("q", skill(), event(skill()))

        assert await known.answer("q") == skill()
        assert await known.by_digest(skill().digest) == skill()
        assert await known.answer("other") is None
        assert await known.by_digest("sha256:" + "f" * 64) is None

    async def test_the_first_answer_and_its_event_are_kept(
        self, known: MongoResolutions, database: Database
    ) -> None:
        first = event(skill())
        await known.save("q", skill(), first)
        await known.save("q", skill(commit="b" * 40), event(skill()))

        stored = await database["resolutions"].find_one({"_id": "q"})
        assert stored is not None
        assert [waiting["id"] for waiting in stored["outbox"]] == [first.id]
        assert (await known.answer("q")) == skill()

    async def test_heads_and_listings(self, known: MongoResolutions) -> None:
        head = Head("a" * 40, '"etag"', START)
        listing = RepositorySkills(owner="acme", repo="tools", commit="a" * 40, skills=[])
        await known.save_head("acme/tools", "", head)
        await known.save_listing("acme/tools", listing)

        assert await known.head("acme/tools", "") == head
        large = replace(head, is_large=True)
        await known.save_head("acme/tools", "", large)
        assert await known.head("acme/tools", "") == large
        assert await known.head("acme/tools", "main") is None
        assert await known.listing("acme/tools", "a" * 40) == listing
        assert await known.listing("acme/tools", "b" * 40) is None


class TestReports:
    FOUND = (
        Finding("remote-shell", Severity.DANGER, "a\u202e.sh", 3, "curl x | sh"),
        Finding("remote-fetch", Severity.INFO, "SKILL.md", 0, ""),
    )

    async def test_findings_come_back_as_they_were(self, known: MongoResolutions) -> None:
        await known.save_findings(skill().digest, 2, self.FOUND)

        assert await known.findings(skill().digest, 2) == list(self.FOUND)
        assert await known.findings(skill(2).digest, 2) is None

    async def test_other_rules_find_other_things(self, known: MongoResolutions) -> None:
        await known.save_findings(skill().digest, 1, self.FOUND)

        assert await known.findings(skill().digest, 2) is None
        await known.save_findings(skill().digest, 2, [])
        assert await known.findings(skill().digest, 2) == []


class TestForgetting:
    async def test_what_nobody_asks_for_goes_once_its_event_is_out(
        self, known: MongoResolutions, database: Database, clock: StoppedClock
    ) -> None:
        await known.save("old", skill(1), event(skill(1)))
        await known.save("waiting", skill(2), event(skill(2)))
        await known.save("shared-1", skill(3), event(skill(3)))
        await database["resolutions"].update_many(
            {"_id": {"$ne": "waiting"}}, {"$set": {"outbox": []}}
        )
        clock.advance(timedelta(days=40))
        await known.save("shared-2", skill(3), event(skill(3)))

        for number in (1, 2, 3):
            await known.save_findings(skill(number).digest, 2, [])

        gone = await known.forget_unused(clock() - timedelta(days=30))

        assert gone == [skill(1).digest]
        assert await known.unknown([skill(n).digest for n in (1, 2, 3)]) == gone
        assert await known.findings(skill(1).digest, 2) is None
        assert await known.findings(skill(3).digest, 2) == []
        assert await known.answer("old") is None
        assert await known.answer("waiting") == skill(2)

    async def test_asking_keeps_an_answer(
        self, known: MongoResolutions, database: Database, clock: StoppedClock
    ) -> None:
        await known.save("q", skill(), event(skill()))
        await database["resolutions"].update_many({}, {"$set": {"outbox": []}})
        clock.advance(timedelta(days=29))
        await known.answer("q")
        clock.advance(timedelta(days=29))

        assert await known.forget_unused(clock() - timedelta(days=30)) == []
