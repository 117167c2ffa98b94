"""API tokens, by the SHA-256 of their value."""

from dataclasses import asdict
from datetime import datetime

from common.mongo import Collection, Document
from pymongo import DESCENDING

from keys.model.token import Token

_MOST = 100


class MongoTokens:
    def __init__(self, api_tokens: Collection) -> None:
        self._tokens = api_tokens

    async def add(self, token: Token) -> None:
        document = asdict(token)
        await self._tokens.insert_one({"_id": document.pop("id"), **document})

    async def list(self, owner_id: str) -> list[Token]:
        cursor = self._tokens.find({"owner_id": owner_id}).sort("created_at", DESCENDING)
        return [_to_token(found) async for found in cursor.limit(_MOST)]

    async def by_hash(self, sha256: str) -> Token | None:
        found = await self._tokens.find_one({"sha256": sha256})
        return _to_token(found) if found is not None else None

    async def used(self, token_id: str, at: datetime) -> None:
        await self._tokens.update_one({"_id": token_id}, {"$max": {"last_used_at": at}})

    async def delete(self, owner_id: str, token_id: str) -> bool:
        result = await self._tokens.delete_one({"_id": token_id, "owner_id": owner_id})
        return result.deleted_count == 1

    async def erase(self, owner_id: str) -> int:
        return (await self._tokens.delete_many({"owner_id": owner_id})).deleted_count


def _to_token(document: Document) -> Token:
    fields = dict(document)
    return Token(id=fields.pop("_id"), **fields)
