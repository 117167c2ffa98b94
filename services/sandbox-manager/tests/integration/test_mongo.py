"""The repositories in memory and in the real store keep the same promises."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from common import mongo
from common.contracts.operating import RestrictionKind
from common.contracts.sandbox import LaunchPath, LaunchSkill, LaunchState, PhaseName, SandboxState
from common.ids import new_id
from common.mongo import Database
from common.testing.fakes import START
from sandbox_manager.adapters.mongo.launches import LAUNCHES, MongoLaunches
from sandbox_manager.adapters.mongo.others import (
    MongoAcknowledgements,
    MongoLeadership,
    MongoOrphans,
)
from sandbox_manager.adapters.mongo.restrictions import (
    DEEDS,
    RESTRICTIONS,
    MongoDeeds,
    MongoRestrictions,
)
from sandbox_manager.adapters.mongo.sandboxes import SANDBOXES, MongoSandboxes
from sandbox_manager.main.adapters import INDEXES
from sandbox_manager.model.launch import AskedBy, Claim, Launch, running_key
from sandbox_manager.model.record import Right, UseLease
from sandbox_manager.model.restriction import Deed, Restriction
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.ports.stores import Deeds, Launches, Restrictions, Sandboxes

OWNER = "own_" + "a" * 20
SKILL = LaunchSkill(
    ref="a/b/c",
    owner="a",
    repo="b",
    commit="c" * 40,
    path="c",
    name="c",
    digest="sha256:" + "1" * 64,
    directory="a--b--c",
)


@pytest.fixture(params=["memory", "store"])
async def sandboxes(request: pytest.FixtureRequest, database: Database, world: Any) -> Sandboxes:
    await mongo.ensure_indexes(database, INDEXES)
    is_real = request.param == "store"
    return MongoSandboxes(database[SANDBOXES]) if is_real else world.sandboxes


@pytest.fixture(params=["memory", "store"])
async def launches(request: pytest.FixtureRequest, database: Database, world: Any) -> Launches:
    await mongo.ensure_indexes(database, INDEXES)
    is_real = request.param == "store"
    return MongoLaunches(database[LAUNCHES]) if is_real else world.launches


@pytest.fixture(params=["memory", "store"])
async def restrictions(
    request: pytest.FixtureRequest, database: Database, world: Any
) -> Restrictions:
    is_real = request.param == "store"
    return MongoRestrictions(database[RESTRICTIONS]) if is_real else world.restrictions


@pytest.fixture(params=["memory", "store"])
async def deeds(request: pytest.FixtureRequest, database: Database, world: Any) -> Deeds:
    await mongo.ensure_indexes(database, INDEXES)
    return MongoDeeds(database[DEEDS]) if request.param == "store" else world.deeds


def launch(**more: Any) -> Launch:
    launch_id = new_id("lau")
    made = {
        "id": launch_id,
        "owner_id": OWNER,
        "ref": "a/b/c",
        "skill": SKILL,
        "asked_by": (AskedBy(key=launch_id),),
        "running_key": running_key(OWNER, SKILL),
        "claim": Claim(worker="w", token=1, until=START),
        "created_at": START,
    }
    return Launch.model_validate(made | more)


def lock(number: int) -> Any:
    right = Right(holder=f"lau_{number}", token=1)
    return lambda sandbox: sandbox.lock_for(right, create_id="c", name="n", now=START)


class TestSandboxes:
    async def test_an_owner_without_a_record_has_an_absent_sandbox(
        self, sandboxes: Sandboxes
    ) -> None:
        assert await sandboxes.get(OWNER) == Sandbox(owner_id=OWNER)
        assert await sandboxes.existing() == []

    async def test_what_is_written_is_read_back(self, sandboxes: Sandboxes) -> None:
        written = await sandboxes.apply(OWNER, lock(1))

        assert written is not None
        assert written == await sandboxes.get(OWNER)
        assert written.revision == 1
        assert [sandbox.owner_id for sandbox in await sandboxes.existing()] == [OWNER]

    async def test_a_creation_under_way_is_found_among_all_others(
        self, sandboxes: Sandboxes
    ) -> None:
        await sandboxes.apply(OWNER, lock(1))
        other = f"own_{'b' * 20}"
        await sandboxes.apply(other, lambda one: one.with_changes(state=SandboxState.ACTIVE))

        assert [sandbox.owner_id for sandbox in await sandboxes.changing()] == [OWNER]

    async def test_those_begun_before_are_counted_in_the_operators_account(
        self, sandboxes: Sandboxes
    ) -> None:
        made = {}
        for name, at, account in [
            ("own_b", START, ""),
            ("own_a", START, ""),
            ("own_c", START + timedelta(seconds=1), ""),
            ("own_d", START, "acc_1"),
        ]:
            right = Right(holder=f"lau_{name}", token=1)
            made[name] = await sandboxes.apply(
                name,
                lambda box, right=right, at=at, account=account: box.lock_for(  # type: ignore[misc]
                    right, create_id="c", name="n", now=at, account=account
                ),
            )

        counts = {name: await sandboxes.count_before(box) for name, box in made.items() if box}

        assert counts == {"own_a": 0, "own_b": 1, "own_c": 2, "own_d": 2}

    async def test_a_change_that_is_refused_writes_nothing(self, sandboxes: Sandboxes) -> None:
        before = await sandboxes.apply(OWNER, lock(1))

        assert await sandboxes.apply(OWNER, lock(2)) is None
        assert await sandboxes.get(OWNER) == before

    async def test_a_stale_copy_is_not_written_over_a_newer_one(
        self, sandboxes: Sandboxes
    ) -> None:
        old = await sandboxes.get(OWNER)
        await sandboxes.apply(OWNER, lock(1))

        assert await sandboxes.apply(OWNER, lock(2), known=old) is None

    async def test_of_many_at_once_one_gets_the_create_lock(self, sandboxes: Sandboxes) -> None:
        taken = await asyncio.gather(
            *(sandboxes.apply(OWNER, lock(number)) for number in range(60))
        )

        assert sum(sandbox is not None for sandbox in taken) == 1

    async def test_changes_at_once_are_all_there(self, sandboxes: Sandboxes) -> None:
        def lease(number: int) -> UseLease:
            return UseLease(id=f"use_{number}", until=START + timedelta(minutes=1))

        def add(number: int) -> Any:
            return lambda box: box.with_changes(leases=(*box.leases, lease(number)))

        await asyncio.gather(*(sandboxes.apply(OWNER, add(number)) for number in range(20)))

        sandbox = await sandboxes.get(OWNER)
        assert {held.id for held in sandbox.leases} == {f"use_{n}" for n in range(20)}
        assert sandbox.revision == 20

    async def test_a_relay_token_leads_to_its_sandbox(self, sandboxes: Sandboxes) -> None:
        await sandboxes.apply(OWNER, lambda box: box.with_changes(relay_tokens=("x", "y")))

        found = await sandboxes.by_relay_token("y")

        assert found is not None
        assert found.owner_id == OWNER
        assert await sandboxes.by_relay_token("z") is None


class TestLaunches:
    async def test_one_is_read_back_whole(self, launches: Launches) -> None:
        made = launch().started(START).planned(LaunchPath.CREATE, START)
        made = made.phase_started(PhaseName.CREATE, START)

        assert await launches.add(made, events=()) == made
        assert await launches.get(made.id) == made

    async def test_the_same_skill_does_not_run_twice(self, launches: Launches) -> None:
        first = launch()
        await launches.add(first, events=())

        assert await launches.add(launch(), events=()) is None
        assert await launches.running(first.running_key) == first

    async def test_ended_it_makes_room(self, launches: Launches) -> None:
        first = launch()
        await launches.add(first, events=())
        await launches.apply(first.id, lambda known: known.ended(LaunchState.READY, START))

        assert await launches.add(launch(), events=()) is not None
        assert await launches.count_running(OWNER) == 1
        assert await launches.count_running("own_" + "b" * 20) == 0

    async def test_a_request_is_found_by_its_key(self, launches: Launches) -> None:
        asked = AskedBy(key="k", fingerprint="f")
        first = launch()
        await launches.add(first, events=())
        await launches.apply(first.id, lambda known: known.asked_again(asked))

        found = await launches.asked(asked)

        assert found is not None
        assert found.id == first.id
        twin = launch(asked_by=(asked,), running_key="other")
        assert await launches.add(twin, events=()) is None

    async def test_only_running_ones_whose_claim_ran_out_are_due(self, launches: Launches) -> None:
        due = launch(running_key="1")
        claimed = launch(
            running_key="2", claim=Claim(worker="w", token=1, until=START + timedelta(seconds=1))
        )
        ended = launch(running_key="3").ended(LaunchState.FAILED, START)
        for one in (due, claimed, ended):
            await launches.add(one, events=())

        assert [found.id for found in await launches.due(START, 10)] == [due.id]

    async def test_of_two_workers_one_claims(self, launches: Launches) -> None:
        made = launch()
        await launches.add(made, events=())
        until = START + timedelta(seconds=30)

        def claim(worker: str) -> Any:
            return lambda known: known.claimed(worker, until) if known.is_due(START) else None

        taken = await asyncio.gather(
            *(launches.apply(made.id, claim(worker), known=made) for worker in "abcdef")
        )

        assert [known.claim.token for known in taken if known is not None] == [2]

    async def test_the_newest_come_first(self, launches: Launches) -> None:
        for number in range(5):
            one = launch(running_key=str(number), created_at=START + timedelta(seconds=number))
            await launches.add(one, events=())

        newest = await launches.newest(OWNER, 3)

        assert [found.running_key for found in newest] == ["4", "3", "2"]


class TestOthers:
    async def test_an_acknowledgement_is_one_owners_for_one_digest(
        self, database: Database
    ) -> None:
        acknowledgements = MongoAcknowledgements(database["a"])
        await acknowledgements.add(OWNER, "sha256:1", START)
        await acknowledgements.add(OWNER, "sha256:1", START)

        assert await acknowledgements.has(OWNER, "sha256:1")
        assert not await acknowledgements.has(OWNER, "sha256:2")
        assert not await acknowledgements.has("own_b", "sha256:1")
        await acknowledgements.forget(OWNER)
        assert not await acknowledgements.has(OWNER, "sha256:1")

    async def test_an_orphan_is_known_since_it_was_seen_first(self, database: Database) -> None:
        orphans, later = MongoOrphans(database["o"]), START + timedelta(minutes=1)
        await orphans.keep(["box", "other"], START)
        await orphans.keep(["box", "new"], later)

        assert await orphans.since(["box", "new", "other"]) == {"box": START, "new": later}
        await orphans.keep([], later)
        assert await orphans.since(["box"]) == {}

    async def test_one_process_leads_until_its_lease_ends(self, database: Database) -> None:
        ttl = timedelta(seconds=90)
        one = MongoLeadership(database["l"], "one", ttl)
        two = MongoLeadership(database["l"], "two", ttl)

        assert [await one.is_leader(START), await two.is_leader(START)] == [True, False]
        assert await one.is_leader(START + timedelta(seconds=60))
        assert not await two.is_leader(START + timedelta(seconds=149))
        assert await two.is_leader(START + timedelta(seconds=150))
        assert not await one.is_leader(START + timedelta(seconds=151))


def blocked(repository: str, reason: str = "it mines") -> Restriction:
    return Restriction(
        kind=RestrictionKind.REPOSITORY, what=repository, reason=reason, by="ann", at=START
    )


class TestRestrictions:
    async def test_those_that_stand_are_found_by_their_keys(
        self, restrictions: Restrictions
    ) -> None:
        for name in ("a/b", "c/d"):
            await restrictions.put(blocked(name))

        found = await restrictions.standing(["repository:a/b", "digest:x", "platform:everybody"])

        assert found == [blocked("a/b")]
        assert await restrictions.all() == [blocked("a/b"), blocked("c/d")]

    async def test_put_again_it_has_the_newer_reason(self, restrictions: Restrictions) -> None:
        await restrictions.put(blocked("a/b"))
        await restrictions.put(blocked("a/b", "it still mines"))

        assert await restrictions.all() == [blocked("a/b", "it still mines")]

    async def test_lifted_it_is_gone_and_lifting_nothing_is_no_error(
        self, restrictions: Restrictions
    ) -> None:
        await restrictions.put(blocked("a/b"))

        for _ in range(2):
            await restrictions.lift("repository:a/b")

        assert await restrictions.standing(["repository:a/b"]) == []


class TestDeeds:
    async def test_the_newest_are_read_first(self, deeds: Deeds) -> None:
        done = [
            Deed(
                id=new_id("deed"),
                at=START + timedelta(seconds=number),
                by="ann",
                action="block",
                what=f"a/{number}",
                reason="it mines",
            )
            for number in range(3)
        ]
        for deed in done:
            await deeds.add(deed)

        assert await deeds.newest(2) == [done[2], done[1]]


class TestCounting:
    async def test_launches_that_run_are_counted_for_one_and_for_all(
        self, launches: Launches
    ) -> None:
        other = "own_" + "b" * 20
        running, ended = launch(), launch(state=LaunchState.READY)
        for one in (
            running,
            ended.model_copy(update={"running_key": ended.id}),
            launch(owner_id=other, running_key=running_key(other, SKILL)),
        ):
            await launches.add(one, events=())

        assert await launches.count_running(OWNER) == 1
        assert await launches.count_all() == 2
