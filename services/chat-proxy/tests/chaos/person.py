"""What people do through the API: open sessions, say something, answer approvals; asked again
until a gateway takes it, which is long where 200 say something in the same second and one machine
is all that answers, breaks and watches.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp
from common.ids import new_id

_PAUSE_S = 0.3
_TRY_S = 15.0
_END_S = 150.0
_BUSY = {429, 500, 502, 503, 504}


@dataclass
class Person:
    """`taken` counts, by approval, the answers that were said to be the first."""

    http: aiohttp.ClientSession
    ports: Sequence[int]
    taken: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    async def session(self) -> str:
        body = {"launch_id": new_id("lau")}
        return str((await self._post("/api/sessions", body, key=new_id("key")))["id"])

    async def say(self, session_id: str, text: str) -> str:
        """The turn's id, once the one before has ended."""
        path, key = f"/api/sessions/{session_id}/turns", new_id("key")
        async with asyncio.timeout(_END_S):
            while True:
                status, answer = await self._asked(path, {"text": text}, key)
                if status < 300:
                    return str(answer["id"])
                assert answer.get("code") == "turn_running", answer
                self.refused["turn_running"] += 1
                await asyncio.sleep(_PAUSE_S)

    async def answer(self, session_id: str, approval_id: str, choice: str) -> None:
        """Two answers at once, from two windows."""
        path = f"/api/sessions/{session_id}/approvals/{approval_id}"
        await asyncio.gather(*(self._decide(path, approval_id, choice) for _ in range(2)))

    async def _decide(self, path: str, approval_id: str, choice: str) -> None:
        status, body = await self._asked(path, {"choice": choice}, "")
        if status == 200:
            self.taken[approval_id] += 1
        else:
            self.refused[str(body.get("code"))] += 1

    async def _post(self, path: str, body: dict[str, Any], *, key: str) -> dict[str, Any]:
        status, answer = await self._asked(path, body, key)
        assert status < 300, answer
        return answer

    async def _asked(
        self, path: str, body: dict[str, Any], key: str
    ) -> tuple[int, dict[str, Any]]:
        """The first answer that is one."""
        headers = {"Idempotency-Key": key} if key else {}
        timeout = aiohttp.ClientTimeout(total=_TRY_S)
        while True:
            url = f"http://127.0.0.1:{random.choice(self.ports)}{path}"
            try:
                async with self.http.post(
                    url, json=body, headers=headers, timeout=timeout
                ) as said:
                    if said.status not in _BUSY:
                        return said.status, cast(dict[str, Any], await said.json())
            except (aiohttp.ClientError, TimeoutError, OSError):
                pass
            await asyncio.sleep(_PAUSE_S)
