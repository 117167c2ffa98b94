"""Indexes and migrations on the real store."""

import asyncio

import pytest
from common.mongo import Database, ensure_indexes, migrate, prepare
from pymongo import ASCENDING, IndexModel
from pymongo.errors import OperationFailure


class TestEnsureIndexes:
    async def test_it_can_run_again(self, database: Database) -> None:
        indexes = {"things": [IndexModel([("name", ASCENDING)], unique=True, name="name")]}

        await ensure_indexes(database, indexes)
        await ensure_indexes(database, indexes)

        assert set(await database["things"].index_information()) == {"_id_", "name"}

    async def test_a_setting_changes_how_long_one_keeps(self, database: Database) -> None:
        for seconds in (10, 20):
            kept = IndexModel([("at", ASCENDING)], expireAfterSeconds=seconds)
            await ensure_indexes(database, {"things": [kept]})

        indexes = await database["things"].index_information()
        assert indexes["at_1"]["expireAfterSeconds"] == 20

    async def test_one_of_the_same_name_and_another_meaning_is_an_error(
        self, database: Database
    ) -> None:
        await ensure_indexes(database, {"things": [IndexModel([("a", ASCENDING)])]})

        with pytest.raises(OperationFailure):
            await ensure_indexes(
                database, {"things": [IndexModel([("a", ASCENDING)], unique=True)]}
            )


class TestMigrate:
    async def test_each_migration_runs_once_and_in_order(self, database: Database) -> None:
        ran: list[int] = []

        async def first(_: Database) -> None:
            ran.append(1)

        async def second(_: Database) -> None:
            ran.append(2)

        assert await migrate(database, [first]) == 1
        assert await migrate(database, [first, second]) == 1
        assert await migrate(database, [first, second]) == 0
        assert ran == [1, 2]

    async def test_one_that_died_in_the_middle_is_gone_on_with(self, database: Database) -> None:
        await database["things"].insert_many({"_id": number} for number in range(4))
        dies_at = 2

        async def coloured(store: Database) -> None:
            async for thing in store["things"].find({"colour": {"$exists": False}}).sort("_id"):
                if thing["_id"] == dies_at:
                    raise ConnectionError
                await store["things"].update_one(
                    {"_id": thing["_id"]}, {"$set": {"colour": "blue"}}
                )

        with pytest.raises(ConnectionError):
            await migrate(database, [coloured])
        dies_at = -1

        assert await migrate(database, [coloured]) == 1
        assert await database["things"].count_documents({"colour": "blue"}) == 4

    async def test_replicas_that_start_at_once_agree(self, database: Database) -> None:
        async def counted(store: Database) -> None:
            await store["things"].update_one({"_id": 1}, {"$set": {"n": 1}}, upsert=True)

        await asyncio.gather(*(migrate(database, [counted]) for _ in range(4)))

        assert await database["things"].find_one({}) == {"_id": 1, "n": 1}
        assert await migrate(database, [counted]) == 0

    async def test_an_older_version_starts_all_the_same_and_says_so(
        self, database: Database, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def first(_: Database) -> None: ...

        await migrate(database, [first, first])

        assert await migrate(database, [first]) == 0
        assert "migrated by a newer version" in caplog.text


class TestPrepare:
    async def test_documents_are_put_right_before_an_index_holds_them(
        self, database: Database
    ) -> None:
        await database["things"].insert_many([{"name": "a"}, {"name": "a"}])

        async def distinct(store: Database) -> None:
            found = [thing async for thing in store["things"].find({})]
            for number, thing in enumerate(found):
                await store["things"].update_one(
                    {"_id": thing["_id"]}, {"$set": {"name": f"{thing['name']}{number}"}}
                )

        index = IndexModel([("name", ASCENDING)], unique=True, name="name")
        await prepare(database, {"things": [index]}, [distinct])

        assert "name" in await database["things"].index_information()
