"""What was resolved, in MongoDB: a cache that may be lost, except for the events waiting in it.

Answers are kept as the JSON of the wire: a skill's own metadata may hold keys that are no field
names.
"""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from common.clock import Clock, utc_now
from common.contracts.events import OutgoingEvent
from common.contracts.skills import RepositorySkills, ResolvedSkill, Severity
from common.mongo import Collection as Documents
from common.mongo import Database, Migration
from common.outbox import OUTBOX_INDEX, waiting
from pymongo import ASCENDING, DESCENDING, IndexModel

from skill_resolver.model.report import Finding
from skill_resolver.ports import Head, Resolutions

RESOLUTIONS, HEADS, LISTINGS, REPORTS = "resolutions", "heads", "listings", "reports"
_KEPT = int(timedelta(days=30).total_seconds())
_USE_NOTED_EVERY = timedelta(days=1)
_REMEMBERED_FOR = timedelta(hours=1)
_MOST_REMEMBERED = 256
_BATCH = 200

INDEXES = {
    RESOLUTIONS: (
        IndexModel([("digest", ASCENDING), ("resolved_at", DESCENDING)]),
        IndexModel([("used_at", ASCENDING)]),
        OUTBOX_INDEX,
    ),
    HEADS: (IndexModel([("checked_at", ASCENDING)], expireAfterSeconds=_KEPT),),
    LISTINGS: (IndexModel([("at", ASCENDING)], expireAfterSeconds=_KEPT),),
}

MIGRATIONS: tuple[Migration, ...] = ()
"""Numbered by their place: only ever added to, at the end."""


class MongoResolutions(Resolutions):
    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._resolutions: Documents = database[RESOLUTIONS]
        self._heads: Documents = database[HEADS]
        self._listings: Documents = database[LISTINGS]
        self._reports: Documents = database[REPORTS]
        self._clock = clock
        self._remembered: OrderedDict[str, tuple[ResolvedSkill, datetime]] = OrderedDict()

    async def answer(self, question: str) -> ResolvedSkill | None:
        """A question names the commit: its answer never changes, the last ones stay in memory."""
        remembered = self._remembered.get(question)
        if remembered is not None and self._clock() - remembered[1] < _REMEMBERED_FOR:
            self._remembered.move_to_end(question)
            return remembered[0]
        answer = await self._used(await self._resolutions.find_one({"_id": question}))
        if answer is not None:
            self._remember(question, answer)
        return answer

    async def by_digest(self, digest: str) -> ResolvedSkill | None:
        newest = [("resolved_at", DESCENDING)]
        return await self._used(await self._resolutions.find_one({"digest": digest}, sort=newest))

    async def save(self, question: str, skill: ResolvedSkill, event: OutgoingEvent) -> None:
        stored = {
            "digest": skill.digest,
            "skill": skill.model_dump_json(),
            "resolved_at": skill.resolved_at,
            "used_at": self._clock(),
            "outbox": waiting(event)["$push"]["outbox"]["$each"],
        }
        await self._resolutions.update_one(
            {"_id": question}, {"$setOnInsert": stored}, upsert=True
        )

    async def head(self, repository: str, ref: str) -> Head | None:
        found = await self._heads.find_one({"_id": f"{repository}@{ref}"})
        if found is None:
            return None
        is_large = bool(found.get("is_large"))
        return Head(found["commit"], found["etag"], found["checked_at"], is_large)

    async def save_head(self, repository: str, ref: str, head: Head) -> None:
        stored = asdict(head)
        await self._heads.update_one({"_id": f"{repository}@{ref}"}, {"$set": stored}, upsert=True)

    async def listing(self, repository: str, commit: str) -> RepositorySkills | None:
        found = await self._listings.find_one({"_id": f"{repository}@{commit}"})
        return RepositorySkills.model_validate_json(found["listing"]) if found else None

    async def save_listing(self, repository: str, listing: RepositorySkills) -> None:
        stored = {"listing": listing.model_dump_json(), "at": self._clock()}
        key = {"_id": f"{repository}@{listing.commit}"}
        await self._listings.update_one(key, {"$set": stored}, upsert=True)

    async def findings(self, digest: str, rules_version: int) -> list[Finding] | None:
        found = await self._reports.find_one({"_id": digest, "rules_version": rules_version})
        if found is None:
            return None
        return [
            Finding(**fields | {"severity": Severity(fields["severity"])})
            for fields in found["findings"]
        ]

    async def save_findings(
        self, digest: str, rules_version: int, findings: Sequence[Finding]
    ) -> None:
        rows = [asdict(finding) | {"severity": str(finding.severity)} for finding in findings]
        stored = {"rules_version": rules_version, "findings": rows}
        await self._reports.update_one({"_id": digest}, {"$set": stored}, upsert=True)

    async def forget_unused(self, before: datetime) -> list[str]:
        unused = {"used_at": {"$lt": before}, "outbox": {"$in": [[], None]}}
        digests: set[str] = set()
        async for found in self._resolutions.find(unused, {"digest": 1}).limit(_BATCH):
            deleted = await self._resolutions.delete_one({"_id": found["_id"], **unused})
            if deleted.deleted_count:
                digests.add(found["digest"])
        forgotten = await self.unknown(sorted(digests))
        await self._reports.delete_many({"_id": {"$in": forgotten}})
        return forgotten

    async def unknown(self, digests: Collection[str]) -> list[str]:
        return [digest for digest in digests if not await self._is_kept(digest)]

    def _remember(self, question: str, answer: ResolvedSkill) -> None:
        self._remembered[question] = (answer, self._clock())
        if len(self._remembered) > _MOST_REMEMBERED:
            self._remembered.popitem(last=False)

    async def _is_kept(self, digest: str) -> bool:
        return await self._resolutions.find_one({"digest": digest}, {"_id": 1}) is not None

    async def _used(self, found: dict[str, Any] | None) -> ResolvedSkill | None:
        if found is None:
            return None
        now = self._clock()
        if now - found["used_at"] > _USE_NOTED_EVERY:
            await self._resolutions.update_one({"_id": found["_id"]}, {"$set": {"used_at": now}})
        return ResolvedSkill.model_validate_json(found["skill"])
