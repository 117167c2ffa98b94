"""What the relay writes of each call, and the sums that are read of it, on MongoDB."""

from dataclasses import replace
from datetime import timedelta

import pytest
from chat_proxy.adapters.mongo import collections
from chat_proxy.adapters.mongo.turns import MongoTurns
from chat_proxy.adapters.mongo.usage import MongoCallLog, MongoUsage
from chat_proxy.model.turn import Turn
from chat_proxy.model.usage import CallFailure, Origin, Spent, Tokens, TurnUsage, day_of
from common import mongo
from common.contracts.chat import TurnState
from common.contracts.events import OutgoingEvent
from common.errors import ErrorCode
from common.ids import new_id
from common.testing.fakes import START

OWNER, OTHER = "own_" + "1" * 20, "own_" + "2" * 20
FAILURE = CallFailure(ErrorCode.PROVIDER_CREDIT, "No credit.", "openrouter", START)
TODAY = day_of(START)


@pytest.fixture
async def calls(database: mongo.Database) -> MongoCallLog:
    await mongo.ensure_indexes(database, collections.INDEXES)
    return MongoCallLog(database)


@pytest.fixture
def usage(database: mongo.Database) -> MongoUsage:
    return MongoUsage(database)


@pytest.fixture
def turns(database: mongo.Database) -> MongoTurns:
    return MongoTurns(database)


async def started(turns: MongoTurns, turn: Turn) -> Turn:
    event = OutgoingEvent(id=new_id("evt"), subject="evt.test.happened.v1", body={})
    assert await turns.start(turn, idempotency_key=None, emit=event)
    return turn


class TestOrigin:
    async def test_a_session_names_its_running_turn(
        self, calls: MongoCallLog, turns: MongoTurns, turn: Turn
    ) -> None:
        await started(turns, turn)

        found = await calls.origin(OWNER, turn.session_id)

        assert found == Origin(OWNER, turn.session_id, turn.id)

    async def test_after_the_turn_only_the_session_is_known(
        self, calls: MongoCallLog, turns: MongoTurns, turn: Turn
    ) -> None:
        await started(turns, turn)
        await turns.save(turn.ended(TurnState.COMPLETED, at=START))

        assert await calls.origin(OWNER, turn.session_id) == Origin(OWNER, turn.session_id)

    async def test_a_session_of_another_owner_is_not_taken(
        self, calls: MongoCallLog, turns: MongoTurns, turn: Turn
    ) -> None:
        await started(turns, turn)

        assert await calls.origin(OTHER, turn.session_id) == Origin(OTHER)

    async def test_without_a_session_it_is_the_only_running_turn(
        self, calls: MongoCallLog, turns: MongoTurns, turn: Turn
    ) -> None:
        assert await calls.origin(OWNER, None) == Origin(OWNER)
        await started(turns, turn)
        assert (await calls.origin(OWNER, None)).turn_id == turn.id

        await started(turns, replace(turn, id=new_id("tur"), session_id=new_id("ses")))

        assert await calls.origin(OWNER, None) == Origin(OWNER)


class TestCalls:
    async def test_they_add_up_for_a_turn(self, calls: MongoCallLog, usage: MongoUsage) -> None:
        origin = Origin(OWNER, "ses_1", "tur_1")
        await calls.add(origin, "demo", "m", Tokens(10, 2), START)
        await calls.add(origin, "demo", "m", Tokens(20, 3, is_estimated=True), START)
        await calls.add(origin, "openai", "n", Tokens(1, 1), START)
        await calls.add(Origin(OWNER, "ses_1", "tur_2"), "demo", "m", Tokens(99, 9), START)

        assert await usage.of_turn("tur_1") == TurnUsage(Spent(3, 31, 6, 23))
        assert await usage.of_turn("tur_none") == TurnUsage()

    async def test_the_last_failure_counts_until_a_call_succeeds(
        self, calls: MongoCallLog, usage: MongoUsage
    ) -> None:
        origin = Origin(OWNER, "ses_1", "tur_1")
        await calls.add(origin, "openrouter", "m", Tokens(10, 2), START)
        later = START + timedelta(seconds=1)
        await calls.fail(origin, FAILURE, "m", later)
        assert await usage.of_turn("tur_1") == TurnUsage(Spent(1, 10, 2), FAILURE)

        await calls.add(origin, "openrouter", "m", Tokens(1, 1), later + timedelta(seconds=1))

        assert (await usage.of_turn("tur_1")).failure is None

    async def test_a_failure_before_the_provider_is_known_is_kept(
        self, calls: MongoCallLog, usage: MongoUsage
    ) -> None:
        await calls.fail(Origin(OWNER, "ses_1", "tur_1"), replace(FAILURE, provider=""), "", START)

        assert (await usage.of_turn("tur_1")).failure == replace(FAILURE, provider="")


class TestSums:
    async def test_days_and_sessions_of_one_owner(
        self, calls: MongoCallLog, usage: MongoUsage
    ) -> None:
        yesterday = START - timedelta(days=1)
        await calls.add(Origin(OWNER, "ses_1", "tur_1"), "demo", "m", Tokens(10, 2), yesterday)
        await calls.add(Origin(OWNER, "ses_1", "tur_2"), "demo", "m", Tokens(20, 3), START)
        await calls.add(Origin(OWNER), "demo", "m", Tokens(5, 5), START)
        await calls.add(Origin(OTHER, "ses_9", "tur_9"), "demo", "m", Tokens(1000, 0), START)

        assert await usage.total(OWNER, TODAY) == 33
        assert await usage.total(OWNER, "2020-01-01") == 0
        assert await usage.by_day(OWNER, since=day_of(yesterday)) == [
            (TODAY, Spent(2, 25, 8)),
            (day_of(yesterday), Spent(1, 10, 2)),
        ]
        assert await usage.by_day(OWNER, since=TODAY) == [(TODAY, Spent(2, 25, 8))]
        [session] = await usage.by_session(OWNER, since=day_of(yesterday), limit=10)
        assert (session.session_id, session.spent) == ("ses_1", Spent(2, 30, 5))
        assert session.last_at == START

    async def test_sessions_used_last_come_first(
        self, calls: MongoCallLog, usage: MongoUsage
    ) -> None:
        for number in range(4):
            at = START + timedelta(seconds=number)
            origin = Origin(OWNER, f"ses_{number}", f"tur_{number}")
            await calls.add(origin, "demo", "m", Tokens(1, 1), at)

        found = await usage.by_session(OWNER, since=TODAY, limit=2)

        assert [one.session_id for one in found] == ["ses_3", "ses_2"]


class TestCap:
    async def test_it_is_the_owners_alone(self, usage: MongoUsage) -> None:
        await usage.set_cap(OWNER, 500, START)
        assert (await usage.cap(OWNER), await usage.cap(OTHER)) == (500, None)

        await usage.set_cap(OWNER, None, START)

        assert await usage.cap(OWNER) is None
