"""Indexes and migrations on the real store."""

from common.mongo import Database, ensure_indexes, migrate
from pymongo import ASCENDING, IndexModel


class TestEnsureIndexes:
    async def test_it_can_run_again(self, database: Database) -> None:
        indexes = {"things": [IndexModel([("name", ASCENDING)], unique=True, name="name")]}

        await ensure_indexes(database, indexes)
        await ensure_indexes(database, indexes)

        assert set(await database["things"].index_information()) == {"_id_", "name"}


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
