"""The caller's own agent, without anything of ours in between: an allow-list of paths, a use-lease
for as long as the answer lasts, and no way to any other address.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from common.contracts.chat import GET_USAGE, GetUsage
from common.contracts.sandbox import (
    ACQUIRE_RAW_AGENT,
    RELEASE_USE,
    RENEW_USE,
    USE_RENEWAL,
    AcquireRawAgent,
    RawAgentEndpoint,
    ReleaseUse,
    RenewUse,
)
from common.errors import (
    AppError,
    ErrorCode,
    ForbiddenError,
    InvalidError,
    RateLimitedError,
    UnavailableError,
)

from gateway.ports import AgentAnswer, AgentCall, RawAgents, Services

logger = logging.getLogger(__name__)

COMPLETIONS = "/v1/chat/completions"
PATHS = {
    COMPLETIONS: "POST",
    "/v1/models": "GET",
    "/v1/capabilities": "GET",
    "/v1/skills": "GET",
    "/health": "GET",
}
_WAKE = timedelta(seconds=90)


@dataclass(frozen=True)
class RawRequest:
    path: str
    stream: bool = False
    body: dict[str, Any] | None = None
    base_url: str | None = None


@dataclass(frozen=True)
class Proxying:
    services: Services
    agents: RawAgents

    @asynccontextmanager
    async def answer(self, owner_id: str, asked: RawRequest) -> AsyncIterator[AgentAnswer]:
        """The agent's answer, while the sandbox is kept as it is.

        Raises:
            InvalidError: a path that is not passed.
            ForbiddenError: `foreign_endpoint`, another address than the caller's own.
            RateLimitedError: the day's tokens are used up.
        """
        method = PATHS.get(asked.path)
        if method is None:
            raise InvalidError(f"only these paths are passed: {', '.join(PATHS)}")
        if asked.path == COMPLETIONS:
            await self._check_cap(owner_id)
        acquire = AcquireRawAgent(owner_id=owner_id)
        endpoint = await self.services.call(ACQUIRE_RAW_AGENT, acquire, within=_WAKE)
        renewing = asyncio.ensure_future(self._renew(owner_id, endpoint.use_lease_id))
        try:
            url = _own_url(endpoint, asked.base_url)
            async with self.agents.send(_call(method, url, endpoint, asked)) as answer:
                if answer.status == 401 or 300 <= answer.status < 400:
                    message = "the agent does not let us in; launch the skill again"
                    raise UnavailableError(message, code=ErrorCode.AGENT_LOST)
                yield answer
        finally:
            renewing.cancel()
            await asyncio.shield(self._release(owner_id, endpoint.use_lease_id))

    async def _check_cap(self, owner_id: str) -> None:
        cap = (await self.services.call(GET_USAGE, GetUsage(owner_id=owner_id, days=1))).cap
        if cap.daily_tokens is not None and cap.used >= cap.daily_tokens:
            raise RateLimitedError(
                f"the limit of {cap.daily_tokens} tokens a day is used up",
                code=ErrorCode.QUOTA_EXCEEDED,
                retry_at=cap.resets_at,
                extra={"limit": "tokens_per_day", "value": cap.daily_tokens, "used": cap.used},
            )

    async def _renew(self, owner_id: str, use_lease_id: str) -> None:
        request = RenewUse(owner_id=owner_id, use_lease_id=use_lease_id)
        while True:
            await asyncio.sleep(USE_RENEWAL.total_seconds())
            try:
                await self.services.call(RENEW_USE, request)
            except AppError as exc:
                logger.warning("the use-lease was not prolonged: %s", exc.detail)

    async def _release(self, owner_id: str, use_lease_id: str) -> None:
        """A lease that cannot be given back runs out by itself."""
        request = ReleaseUse(owner_id=owner_id, use_lease_id=use_lease_id)
        with contextlib.suppress(AppError):
            await self.services.call(RELEASE_USE, request)


def _own_url(endpoint: RawAgentEndpoint, base_url: str | None) -> str:
    """The address in our record; one that a caller names must be exactly that."""
    own = endpoint.url.get_secret_value().rstrip("/")
    if base_url is not None and base_url.rstrip("/") != own:
        message = "that is not the address of your own agent"
        raise ForbiddenError(message, code=ErrorCode.FOREIGN_ENDPOINT)
    return own


def _call(method: str, url: str, endpoint: RawAgentEndpoint, asked: RawRequest) -> AgentCall:
    secrets = {name: value.get_secret_value() for name, value in endpoint.headers.items()}
    headers = {
        **secrets,
        "Authorization": f"Bearer {endpoint.token.get_secret_value()}",
        "Accept": "text/event-stream" if asked.stream else "application/json",
    }
    if method == "GET":
        return AgentCall(method, url + asked.path, headers)
    body = json.dumps({**(asked.body or {}), "stream": asked.stream}).encode()
    return AgentCall(
        method, url + asked.path, {**headers, "Content-Type": "application/json"}, body
    )
