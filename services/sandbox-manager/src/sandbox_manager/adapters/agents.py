"""Whether an agent answers, asked through its preview."""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus

import aiohttp
from common.errors import ForbiddenError
from common.preview import SKIP_WARNING, PreviewGuard

from sandbox_manager.ports.inside import Agents

# Of Hermes' routes that want the token this one is the cheapest: it reads one small directory.
_AGENT_PATH = "/api/pairing"
_TOKEN_HEADER = "X-Hermes-Session-Token"
_RAW_PATH = "/v1/capabilities"


class PreviewAgents(Agents):
    def __init__(self, http: aiohttp.ClientSession, guard: PreviewGuard) -> None:
        self._http = http
        self._guard = guard

    async def is_agent_up(self, url: str, token: str, *, within: timedelta) -> bool:
        return await self._answers(url + _AGENT_PATH, {_TOKEN_HEADER: token}, within)

    async def is_raw_up(self, url: str, key: str, *, within: timedelta) -> bool:
        headers = {"Authorization": f"Bearer {key}"}
        return await self._answers(url + _RAW_PATH, headers, within)

    async def _answers(self, url: str, headers: Mapping[str, str], within: timedelta) -> bool:
        """A redirect is never followed: it could lead anywhere.

        An address stored under settings that have changed since is no way to the agent any more.
        """
        try:
            self._guard.check(url)
        except ForbiddenError:
            return False
        timeout = aiohttp.ClientTimeout(total=within.total_seconds())
        try:
            async with self._http.get(
                url,
                headers={**SKIP_WARNING, **headers},
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                return response.status == HTTPStatus.OK
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
