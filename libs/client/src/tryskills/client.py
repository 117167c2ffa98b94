"""The HTTP API, call by call."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from tryskills.errors import UnreachableError
from tryskills.models import Download, Entry, Launch, Session, Skill, Turn
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

    async def start_turn(
        self, session_id: str, text: str, attachments: Sequence[str] = ()
    ) -> Turn:
        """Say something; `attachments` are paths of files that were uploaded before."""
        path = f"/api/sessions/{session_id}/turns"
        attached = {"attachments": list(attachments)} if attachments else {}
        return Turn.read(await self._send("POST", path, {"text": text, **attached}))

    async def get_turn(self, session_id: str, turn_id: str) -> Turn:
        return Turn.read(await self._get(f"/api/sessions/{session_id}/turns/{turn_id}"))

    def session_entries(self, session_id: str, after: int = 0) -> AsyncGenerator[Entry, None]:
        """The session's entries, up to the end of a turn."""
        return follow(self._http, f"/api/sessions/{session_id}/events", "turn.ended", after)

    async def stop_turn(self, session_id: str, turn_id: str) -> Turn:
        path = f"/api/sessions/{session_id}/turns/{turn_id}/stop"
        return Turn.read(await self._send("POST", path))

    async def answer(self, session_id: str, approval_id: str, choice: str) -> Any:
        path = f"/api/sessions/{session_id}/approvals/{approval_id}"
        return await self._send("POST", path, {"choice": choice})

    async def sessions(self, query: str | None = None, cursor: str | None = None) -> Any:
        """The newest, or those whose title or text holds every word of `query`, 100 at once; the
        answer's `next_cursor` asks for more.
        """
        asked = {"q": query, "cursor": cursor}
        return await self._get("/api/sessions", **{name: v for name, v in asked.items() if v})

    async def get_session(self, session_id: str) -> Session:
        return Session.read(await self._get(f"/api/sessions/{session_id}"))

    async def rename_session(self, session_id: str, title: str) -> Session:
        path = f"/api/sessions/{session_id}"
        return Session.read(await self._send("PATCH", path, {"title": title}))

    async def delete_session(self, session_id: str) -> None:
        await self._send("DELETE", f"/api/sessions/{session_id}")

    async def export(self, session_id: str, form: str = "md", *, redact: bool = True) -> Download:
        """The session as Markdown (`md`) or `json`."""
        query = {"format": form, "redact": str(redact).lower()}
        return await self._download(f"/api/sessions/{session_id}/export", **query)

    async def share(
        self, session_id: str, days: int = 30, *, tools: bool = True, reasoning: bool = False
    ) -> Any:
        """A read-only link (`url`) to what was said so far."""
        body = {"expires_in_days": days, "with_tools": tools, "with_reasoning": reasoning}
        return await self._send("POST", f"/api/sessions/{session_id}/share", body)

    async def shares(self, session_id: str) -> Any:
        return await self._get(f"/api/sessions/{session_id}/share")

    async def end_shares(self, session_id: str) -> None:
        await self._send("DELETE", f"/api/sessions/{session_id}/share")

    async def files(self, session_id: str, path: str = "") -> Any:
        """What lies in the session's workspace."""
        return await self._get(f"/api/sessions/{session_id}/files", path=path)

    async def read_file(self, session_id: str, path: str) -> Download:
        return await self._download(f"/api/sessions/{session_id}/files/content", path=path)

    async def archive(self, session_id: str) -> Download:
        """The whole workspace as a zip."""
        return await self._download(f"/api/sessions/{session_id}/files.zip")

    async def upload(
        self, session_id: str, files: Mapping[str, bytes], directory: str = ""
    ) -> list[str]:
        """Put files into the workspace; the paths that they have there."""
        request = self._http.build_request(
            "POST",
            f"/api/sessions/{session_id}/files",
            files=[("file", (name, content)) for name, content in files.items()],
            data={"path": directory},
        )
        return [str(file["path"]) for file in (await self._call(request))["files"]]

    async def usage(self, days: int = 30) -> Any:
        """Tokens by day and session, and the caps."""
        return await self._get("/api/usage", days=str(days))

    async def set_cap(self, daily_tokens: int | None) -> Any:
        """Your own limit of tokens a day; None takes it away."""
        return await self._send("PUT", "/api/usage/cap", {"daily_tokens": daily_tokens})

    async def trials(self) -> Any:
        return await self._get("/api/trials")

    async def sandbox(self) -> Any:
        return await self._get("/api/sandbox")

    async def stop_sandbox(self) -> Any:
        return await self._send("POST", "/api/sandbox/stop")

    async def delete_sandbox(self) -> Any:
        return await self._send("DELETE", "/api/sandbox")

    async def _get(self, path: str, /, **query: str) -> Any:
        return await self._call(self._http.build_request("GET", path, params=query))

    async def _download(self, path: str, /, **query: str) -> Download:
        response = await self._delivered(self._http.build_request("GET", path, params=query))
        await check(response)
        return Download.read(response.headers.get("Content-Disposition", ""), response.content)

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
