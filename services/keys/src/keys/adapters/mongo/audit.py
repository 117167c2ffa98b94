"""The audit: a line for every value that was given out."""

from common.contracts.events import OutgoingEvent
from common.mongo import Collection

from keys.model.secret import Reveal


class MongoAudit:
    def __init__(self, audit: Collection) -> None:
        self._audit = audit

    async def add(self, reveal: Reveal, *, emit: OutgoingEvent) -> None:
        line = {
            "_id": reveal.id,
            "at": reveal.at,
            "owner_id": reveal.key.owner_id,
            "name": reveal.key.name,
            "skill": reveal.key.skill,
            "version": reveal.version,
            "purpose": reveal.purpose,
        }
        await self._audit.insert_one({**line, "outbox": [emit.model_dump()]})

    async def purge(self, owner_id: str) -> int:
        result = await self._audit.delete_many({"owner_id": owner_id, "outbox": []})
        return result.deleted_count
