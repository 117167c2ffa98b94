"""`accounts`: owners' own accounts at the provider, one document for each owner of a key."""

from collections.abc import Sequence
from datetime import datetime

from common.mongo import Collection, Document
from pymongo import ASCENDING, IndexModel

from sandbox_manager.adapters.mongo.records import store_errors
from sandbox_manager.model.account import Account
from sandbox_manager.ports.stores import Accounts

ACCOUNTS = "accounts"
ACCOUNT_INDEXES = (
    IndexModel([("account", ASCENDING)]),
    IndexModel([("owner_id", ASCENDING)]),
)


class MongoAccounts(Accounts):
    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    @store_errors
    async def put(self, account: Account) -> None:
        fields = account.model_dump(exclude={"id"})
        await self._collection.update_one(
            {"_id": f"{account.id}:{account.owner_id}"},
            {"$set": {**fields, "account": account.id}},
            upsert=True,
        )

    @store_errors
    async def get(self, account_id: str) -> Account | None:
        document = await self._collection.find_one({"account": account_id})
        return _account(document) if document is not None else None

    @store_errors
    async def all(self) -> Sequence[Account]:
        found = {
            document["account"]: _account(document) async for document in self._collection.find()
        }
        return list(found.values())

    @store_errors
    async def forget_unused(self, used: Sequence[str], before: datetime) -> None:
        await self._collection.delete_many(
            {"account": {"$nin": list(used)}, "used_at": {"$lt": before}}
        )

    @store_errors
    async def forget(self, owner_id: str) -> None:
        await self._collection.delete_many({"owner_id": owner_id})


def _account(document: Document) -> Account:
    return Account.model_validate({**document, "id": document["account"]})
