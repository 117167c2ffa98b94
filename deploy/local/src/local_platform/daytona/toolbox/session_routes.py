"""The routes of sessions."""

import asyncio
from contextlib import suppress

from aiohttp import web

from .command_log import split
from .environment import Environment
from .requests import body_of, text
from .sessions import SessionCommand, Sessions


def streams(command: SessionCommand) -> dict[str, str]:
    """`output` keeps the markers between the streams, as Daytona's does."""
    marked = command.log.read()
    stdout, stderr = split(marked)
    return {
        "output": marked.decode(errors="replace"),
        "stdout": stdout.decode(errors="replace"),
        "stderr": stderr.decode(errors="replace"),
    }


def ids(request: web.Request) -> tuple[str, str]:
    return request.match_info["session"], request.match_info["command"]


class SessionRoutes:
    def __init__(self, sessions: Sessions, environment: Environment) -> None:
        self._sessions = sessions
        self._environment = environment

    async def create(self, request: web.Request) -> web.Response:
        session_id = text(await body_of(request), "sessionId")
        await self._sessions.create(session_id, self._environment.for_command())
        return web.Response(status=201)

    async def list_all(self, _: web.Request) -> web.Response:
        return web.json_response([session.described() for session in self._sessions.all()])

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response(self._sessions.get(request.match_info["session"]).described())

    async def delete(self, request: web.Request) -> web.Response:
        await self._sessions.delete(request.match_info["session"])
        return web.Response(status=204)

    async def execute(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        run_async = bool(body.get("runAsync") or body.get("async"))
        command = await self._sessions.get(request.match_info["session"]).execute(
            text(body, "command"),
            run_async=run_async,
            echoes=not body.get("suppressInputEcho"),
        )
        if run_async:
            return web.json_response({"cmdId": command.id}, status=202)
        known = {"cmdId": command.id, "exitCode": command.exit_code}
        return web.json_response(known | streams(command))

    async def get_command(self, request: web.Request) -> web.Response:
        return web.json_response(self._sessions.command(*ids(request)).described())

    async def send_input(self, request: web.Request) -> web.Response:
        command = self._sessions.command(*ids(request))
        data = (await body_of(request)).get("data")
        command.send(data if isinstance(data, str) else "")
        return web.Response(status=204)

    async def logs(self, request: web.Request) -> web.StreamResponse:
        command = self._sessions.command(*ids(request))
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await followed(request, command)
        return web.json_response(streams(command))

    async def entrypoint(self, _: web.Request) -> web.Response:
        return web.json_response({"sessionId": Sessions.RESERVED, "commands": []})

    async def entrypoint_logs(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return web.json_response({"output": "", "stdout": "", "stderr": ""})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.close(code=1000)
        return socket


async def followed(request: web.Request, command: SessionCommand) -> web.WebSocketResponse:
    """Send the log as it grows; the end of the command closes with 1000."""
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    sending = asyncio.ensure_future(
        send_log(socket, command, follow=request.query.get("follow") == "true")
    )
    with suppress(ConnectionError):
        async for _ in socket:
            continue
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    return socket


async def send_log(
    socket: web.WebSocketResponse, command: SessionCommand, *, follow: bool
) -> None:
    if follow:
        async for chunk in command.log.follow():
            await socket.send_bytes(chunk)
    else:
        await socket.send_bytes(command.log.read())
    await socket.close(code=1000)
