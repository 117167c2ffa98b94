"""The transfer bucket on the bus."""

from common.contracts.sandbox import TRANSFER_BUCKET, StoredBody
from common.messaging.objects import TransferBucket

from chat_proxy.ports import Transfer


class BusTransfer(Transfer):
    def __init__(self, bucket: TransferBucket) -> None:
        self._bucket = bucket

    async def put(self, content: bytes) -> StoredBody:
        name = await self._bucket.put(content)
        return StoredBody(bucket=TRANSFER_BUCKET, object_name=name, size=len(content))
