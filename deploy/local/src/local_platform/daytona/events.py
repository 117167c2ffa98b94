"""State changes over Socket.IO, which the SDK listens to while it waits."""

import logging
from typing import Any

import socketio  # type: ignore[import-untyped]  # it ships no types
from aiohttp import web

from local_platform.daytona import signing
from local_platform.daytona.model import ORGANIZATION, Sandbox, State
from local_platform.daytona.wire import sandbox_body

logger = logging.getLogger(__name__)

PATH = "/api/socket.io"


class Events:
    def __init__(self, api_key: str, toolbox_url: str) -> None:
        self._api_key = api_key
        self._toolbox_url = toolbox_url
        self._server = socketio.AsyncServer(async_mode="aiohttp", cors_allowed_origins=[])
        self._server.on("connect", self._connect)
        self._pending: set[Any] = set()

    def attach(self, app: web.Application) -> None:
        self._server.attach(app, socketio_path=PATH)
        app.on_shutdown.append(self._close)

    def changed(self, sandbox: Sandbox, old: State) -> None:
        body = {
            "sandbox": sandbox_body(sandbox, self._toolbox_url),
            "oldState": old.value,
            "newState": sandbox.state.value,
        }
        task = self._server.start_background_task(
            self._server.emit, "sandbox.state.updated", body, room=ORGANIZATION
        )
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _close(self, _: web.Application) -> None:
        """Before connections are waited for: listeners would hold the end up."""
        for sid, _ in list(self._server.manager.get_participants("/", ORGANIZATION)):
            await self._server.disconnect(sid)
        await self._server.shutdown()

    async def _connect(
        self, sid: str, _environ: dict[str, Any], auth: dict[str, str] | None
    ) -> bool:
        if not isinstance(auth, dict) or not signing.same(auth.get("token"), self._api_key):
            return False
        await self._server.enter_room(sid, ORGANIZATION)
        return True
