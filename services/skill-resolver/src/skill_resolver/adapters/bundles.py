"""Bundles in the Object Store, by the hexadecimal part of their digest."""

from datetime import datetime

from common.messaging.objects import ObjectBucket

from skill_resolver.ports import Bundles


class ObjectBundles(Bundles):
    def __init__(self, bucket: ObjectBucket) -> None:
        self._bucket = bucket

    async def put(self, digest: str, content: bytes) -> None:
        await self._bucket.put(_name(digest), content)

    async def get(self, digest: str) -> bytes | None:
        return await self._bucket.get(_name(digest))

    async def has(self, digest: str) -> bool:
        return await self._bucket.has(_name(digest))

    async def delete(self, digest: str) -> None:
        await self._bucket.delete(_name(digest))

    async def written_before(self, time: datetime) -> list[str]:
        return [f"sha256:{name}" for name in await self._bucket.names_before(time)]


def _name(digest: str) -> str:
    return digest.removeprefix("sha256:")
