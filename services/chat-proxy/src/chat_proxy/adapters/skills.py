"""skill-resolver over RPC: the text of a skill by its digest, which never changes."""

import base64
from collections import OrderedDict
from datetime import timedelta

from common.contracts.skills import READ_SKILL_FILE, ReadSkillFile
from common.errors import ErrorCode, TooLargeError
from common.messaging.rpc import RpcClient

from chat_proxy.ports import Skills

_KEPT = 200
_PATIENCE = timedelta(seconds=60)


class RpcSkills(Skills):
    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc
        self._texts: OrderedDict[str, str] = OrderedDict()

    async def text(self, digest: str) -> str:
        known = self._texts.get(digest)
        if known is None:
            known = await self._read(digest)
            self._texts[digest] = known
            if len(self._texts) > _KEPT:
                self._texts.popitem(last=False)
        return known

    async def _read(self, digest: str) -> str:
        request = ReadSkillFile(digest=digest, path="SKILL.md")
        file = await self._rpc.call(READ_SKILL_FILE, request, patience=_PATIENCE)
        if file.truncated:
            message = "the skill's SKILL.md is too large to be given to the agent"
            raise TooLargeError(message, code=ErrorCode.SKILL_TOO_LARGE)
        return base64.b64decode(file.content_base64).decode("utf-8", errors="replace")
