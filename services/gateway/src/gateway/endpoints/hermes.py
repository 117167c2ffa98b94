"""The raw proxy to the caller's own agent."""

import logging
from contextlib import AbstractAsyncContextManager
from typing import Any

from common.errors import UnavailableError
from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Receive, Scope, Send

from gateway.endpoints.dependencies import ERRORS, EdgeDep, OwnerDep
from gateway.endpoints.leaving import unless_gone
from gateway.ports import AgentAnswer
from gateway.service.proxying import Proxying, RawRequest

logger = logging.getLogger(__name__)

router = APIRouter(tags=["agent"], responses=ERRORS)

_KINDS = frozenset({"application/json", "text/event-stream"})
_PASSED = ("retry-after", "x-hermes-session-id", "x-hermes-completed", "x-hermes-error")


class HermesBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    path: str = Field(max_length=200)
    stream: bool = False
    body: dict[str, Any] | None = None
    base_url: str | None = Field(default=None, max_length=2000)


@router.post("/api/hermes", response_class=Response)
async def hermes(edge: EdgeDep, owner_id: OwnerDep, body: HermesBody) -> Response:
    """Ask the agent's own API: `/v1/chat/completions` (whole or as a stream), `/v1/models`,
    `/v1/capabilities`, `/v1/skills`, `/health`. The answer is the agent's, byte by byte; no
    session, no journal, no approvals. A `base_url` that is not your own agent's is refused.
    """
    proxying = Proxying(edge.services, edge.raw_agents)
    asked = RawRequest(body.path, stream=body.stream, body=body.body, base_url=body.base_url)
    return Passed(proxying.answer(owner_id, asked))


class Passed(Response):
    """Passes an agent's answer on as it comes; a client that goes away ends it."""

    def __init__(self, answering: AbstractAsyncContextManager[AgentAnswer]) -> None:
        super().__init__()
        self._answering = answering

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        await unless_gone(receive, self._pass(send))

    async def _pass(self, send: Send) -> None:
        async with self._answering as answer:
            await send(
                {
                    "type": "http.response.start",
                    "status": answer.status,
                    "headers": _headers(answer),
                }
            )
            try:
                async for chunk in answer.chunks():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            except UnavailableError as exc:
                # Without its end: what the client has must not look complete.
                logger.warning("an agent's answer broke off: %s", exc.detail)
                return
        # The lease is back before the caller knows the end: what comes next finds it so.
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _headers(answer: AgentAnswer) -> list[tuple[bytes, bytes]]:
    """A sandbox says what it likes: nothing of it is a page of ours."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    headers = [(b"content-type", kind.encode() if kind in _KINDS else b"text/plain")]
    headers += [(b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
    for name in _PASSED:
        value = answer.headers.get(name)
        if value is not None and value.isascii() and value.isprintable():
            headers.append((name.encode(), value.encode()))
    return headers
