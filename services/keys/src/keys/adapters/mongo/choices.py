"""What owners chose: provider, model, base URL."""

from common.mongo import Collection, Document
from pymongo import ReturnDocument

from keys.model.choice import Choice


class MongoChoices:
    def __init__(self, settings: Collection) -> None:
        self._settings = settings

    async def get(self, owner_id: str) -> Choice | None:
        found = await self._settings.find_one({"_id": owner_id})
        return _to_choice(found) if found is not None else None

    async def put(self, owner_id: str, choice: Choice) -> Choice:
        fields = {
            "provider": choice.provider,
            "model": choice.model,
            "base_url": choice.base_url,
        }
        stored = await self._settings.find_one_and_update(
            {"_id": owner_id},
            {"$set": fields, "$inc": {"version": 1}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        # What an upsert returns after the update is never None; the driver's types do not say so.
        return _to_choice(stored) if stored is not None else choice

    async def erase(self, owner_id: str) -> int:
        return (await self._settings.delete_one({"_id": owner_id})).deleted_count


def _to_choice(document: Document) -> Choice:
    return Choice(
        provider=document["provider"],
        model=document["model"],
        base_url=document["base_url"],
        version=document["version"],
    )
