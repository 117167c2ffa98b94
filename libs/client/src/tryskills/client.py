"""The HTTP API, call by call."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from tryskills.errors import UnreachableError
from tryskills.models import Entry, Launch, Session, Skill, Turn
from tryskills.streams import check, follow

TIMEOUT_S = 90.0
TRIES = 3
PAUSE_S = 0.3


class Client:
    """Speaks as one user; close it, or use it in `async with`.

    Calls that change something carry an idempotency key, so they are safely sent again when the
    connection breaks.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.AsyncClient(
            base_url=self.url, headers=headers, timeout=TIMEOUT_S, transport=transport
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def me(self) -> Any:
        return await self._get("/api/me")

    async def resolve(self, ref: str) -> Skill:
        return Skill.read(await self._get("/api/skills/resolve", ref=ref))

    async def skills(self, owner: str, repo: str) -> Any:
        return await self._get(f"/api/repos/{quote(owner)}/{quote(repo)}/skills")

    async def put_key(self, name: str, value: str, skill: Skill | None = None) -> Any:
        """Seal a value; with `skill`, for that skill as it is now."""
        body = {"value": value}
        if skill:
            body |= {"skill": skill.place, "digest": skill.digest}
        return await self._send("PUT", f"/api/keys/{quote(name)}", body)

    async def launch(
        self, ref: str, digest: str | None = None, report_ack: str | None = None
    ) -> Launch:
        body = {"ref": ref, "digest": digest, "report_ack": report_ack}
        given = {name: value for name, value in body.items() if value is not None}
        return Launch.read(await self._send("POST", "/api/launches", given))

    async def get_launch(self, launch_id: str) -> Launch:
        return Launch.read(await self._get(f"/api/launches/{launch_id}"))

    def launch_entries(self, launch_id: str, after: int = 0) -> AsyncGenerator[Entry, None]:
        """The launch's entries, up to its end."""
        return follow(self._http, f"/api/launches/{launch_id}/events", "launch.ended", after)

    async def create_session(self, launch_id: str) -> Session:
        return Session.read(await self._send("POST", "/api/sessions", {"launch_id": launch_id}))

    async def start_turn(self, session_id: str, text: str) -> Turn:
        path = f"/api/sessions/{session_id}/turns"
        return Turn.read(await self._send("POST", path, {"text": text}))

    def session_entries(self, session_id: str, after: int = 0) -> AsyncGenerator[Entry, None]:
        """The session's entries, up to the end of a turn."""
        return follow(self._http, f"/api/sessions/{session_id}/events", "turn.ended", after)

    async def stop_turn(self, session_id: str, turn_id: str) -> Turn:
        path = f"/api/sessions/{session_id}/turns/{turn_id}/stop"
        return Turn.read(await self._send("POST", path))

    async def answer(self, session_id: str, approval_id: str, choice: str) -> Any:
        path = f"/api/sessions/{session_id}/approvals/{approval_id}"
        return await self._send("POST", path, {"choice": choice})

    async def sessions(self) -> Any:
        return await self._get("/api/sessions")

    async def trials(self) -> Any:
        return await self._get("/api/trials")

    async def sandbox(self) -> Any:
        return await self._get("/api/sandbox")

    async def stop_sandbox(self) -> Any:
        return await self._send("POST", "/api/sandbox/stop")

    async def delete_sandbox(self) -> Any:
        return await self._send("DELETE", "/api/sandbox")

    async def _get(self, path: str, **query: str) -> Any:
        return await self._call(self._http.build_request("GET", path, params=query))

    async def _send(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        return await self._call(self._http.build_request(method, path, json=body, headers=headers))

    async def _call(self, request: httpx.Request) -> Any:
        response = await self._delivered(request)
        await check(response)
        return response.json() if response.content else None

    async def _delivered(self, request: httpx.Request) -> httpx.Response:
        for _ in range(TRIES - 1):
            with contextlib.suppress(httpx.NetworkError, httpx.RemoteProtocolError):
                return await self._http.send(request)
            await asyncio.sleep(PAUSE_S)
        try:
            return await self._http.send(request)
        except httpx.TransportError as error:
            told = str(error) or type(error).__name__
            message = f"{self.url} does not answer ({told})"
            raise UnreachableError(message) from error
