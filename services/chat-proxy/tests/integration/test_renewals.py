"""Claims that the turns of one process renew in the same moment."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from chat_proxy.adapters.mongo import collections
from chat_proxy.adapters.mongo.turns import MongoTurns
from chat_proxy.model.turn import Turn
from common import mongo
from common.contracts.events import OutgoingEvent
from common.errors import StaleFenceError
from common.ids import new_id
from common.testing.fakes import START

LATER = START + timedelta(seconds=31)


@pytest.fixture
async def turns(database: mongo.Database) -> MongoTurns:
    await mongo.ensure_indexes(database, collections.INDEXES)
    return MongoTurns(database)


@pytest.fixture
async def three(turns: MongoTurns, turn: Turn) -> list[Turn]:
    """Running, in three sessions."""
    made = [replace(turn, id=new_id("tur"), session_id=new_id("ses")) for _ in range(3)]
    for one in made:
        event = OutgoingEvent(id=new_id("evt"), subject="evt.test.happened.v1", body={})
        await turns.start(one, idempotency_key=None, emit=event)
    return made


async def test_only_the_one_that_was_lost_is_refused(turns: MongoTurns, three: list[Turn]) -> None:
    mine, lost, other = three
    await turns.give_back(lost, START)
    await turns.claim_due("prc_2", START, here={mine.id, other.id}, limit=9)

    renewals = [asyncio.ensure_future(turns.renew(one, LATER)) for one in three]
    await asyncio.wait(renewals)

    with pytest.raises(StaleFenceError):
        renewals.pop(1).result()
    assert [one.result().id for one in renewals] == [mine.id, other.id]
    assert all(one.result().claim.covers(LATER) for one in renewals)
    taken = await turns.get(lost.owner_id, lost.session_id, lost.id)
    assert (taken.claim.holder, taken.claim.covers(LATER)) == ("prc_2", False)


async def test_one_that_was_lost_and_claimed_again_here_is_stale(
    turns: MongoTurns, three: list[Turn]
) -> None:
    former = three[0]
    await turns.give_back(former, START)
    [again] = await turns.claim_due(former.claim.holder, START, here=(), limit=9)

    with pytest.raises(StaleFenceError):
        await turns.renew(former, LATER)

    assert (await turns.renew(again, LATER)).claim.covers(LATER)


async def test_who_stops_asking_stops_no_other(turns: MongoTurns, three: list[Turn]) -> None:
    first, *others = [asyncio.ensure_future(turns.renew(one, LATER)) for one in three]
    await asyncio.sleep(0)

    first.cancel()

    for one in others:
        assert (await one).claim.covers(LATER)
