"""An erased owner's sessions, and all that was said in them, on the real store."""

from typing import Any

import pytest
from chat_proxy.adapters.mongo import collections
from chat_proxy.adapters.mongo.holdings import MongoHoldings
from common import mongo
from common.ids import new_id

ALICE, BOB = "own_" + "a" * 20, "own_" + "b" * 20
EVENT = {"id": "evt_1", "subject": "evt.test.happened.v1", "body": {}}


async def fill(database: mongo.Database, owner_id: str, **turn: Any) -> None:
    """A session with a turn, an answer, an approval, a link, and what the model cost."""
    session_id, turn_id = new_id("ses"), new_id("tur")
    mine: dict[str, Any] = {"owner_id": owner_id, "session_id": session_id, "outbox": []}
    await database[collections.SESSIONS].insert_one({"_id": session_id, **mine, "state": "active"})
    await database[collections.TURNS].insert_one({"_id": turn_id, **mine, "active": False, **turn})
    await database[collections.APPROVALS].insert_one({"_id": new_id("apr"), **mine})
    await database[collections.MESSAGES].insert_one({"session_id": session_id, "text": "secret"})
    await database[collections.USAGE].insert_one({"_id": new_id("use"), "owner_id": owner_id})
    await database[collections.WORDS].insert_one({"_id": turn_id, **mine, "words": ["secret"]})
    link = {"_id": new_id("sha"), **mine, "token_sha256": new_id("x")}
    await database[collections.SHARES].insert_one(link)
    cap = {"$set": {"daily_tokens": 1}}
    await database[collections.CAPS].update_one({"_id": owner_id}, cap, upsert=True)


@pytest.fixture
async def holdings(database: mongo.Database) -> MongoHoldings:
    await mongo.ensure_indexes(database, collections.INDEXES)
    return MongoHoldings(database)


async def dump(database: mongo.Database) -> str:
    names = await database.list_collection_names()
    return str([document for name in names async for document in database[name].find()])


class TestForget:
    async def test_it_counts_each_store_and_a_scan_finds_nothing_afterwards(
        self, holdings: MongoHoldings, database: mongo.Database
    ) -> None:
        for owner_id in (ALICE, ALICE, BOB):
            await fill(database, owner_id)

        counts = await holdings.count(ALICE)
        is_done = await holdings.forget(ALICE)

        assert counts == {
            "chat_sessions": 2,
            "turns": 2,
            "approvals": 2,
            "usage": 2,
            "shares": 2,
            "chat_words": 2,
            "chat_messages": 2,
            "usage_caps": 1,
        }
        assert is_done
        assert ALICE not in await dump(database)
        assert set((await holdings.count(BOB)).values()) == {1}
        assert set((await holdings.count(ALICE)).values()) == {0}

    @pytest.mark.parametrize("turn", [{"active": True}, {"outbox": [EVENT]}])
    async def test_what_is_still_needed_stays_with_all_else(
        self, holdings: MongoHoldings, database: mongo.Database, turn: dict[str, Any]
    ) -> None:
        await fill(database, ALICE, **turn)

        assert not await holdings.forget(ALICE)
        assert set((await holdings.count(ALICE)).values()) == {1}
