"""Which route is served by what, and which are not served at all."""

from pathlib import Path

from aiohttp import web

from . import files, search, transfer
from .commands import Commands
from .environment import Environment
from .errors import Handler, ToolboxError, enveloped
from .session_routes import SessionRoutes
from .sessions import Sessions
from .system import System

NOT_SERVED = {
    "git": "git",
    "lsp": "LSP (language servers)",
    "process/pty": "PTY (terminal sessions)",
    "process/interpreter": "the code interpreter",
    "computeruse": "computer use",
}
ANY_SIZE = 2**40


def build(environment: Environment, session_root: Path) -> web.Application:
    app = web.Application(middlewares=[enveloped], client_max_size=ANY_SIZE)
    commands, system = Commands(environment), System(environment)
    sessions = SessionRoutes(Sessions(session_root), environment)
    app.add_routes(file_routes())
    app.add_routes(session_table(sessions))
    app.add_routes(
        [
            web.post("/process/execute", commands.execute),
            web.post("/process/code-run", commands.code_run),
            web.get("/version", system.version),
            web.get("/user-home-dir", system.folder),
            web.get("/work-dir", system.folder),
            web.get("/system/metrics", system.metrics),
            web.get("/port", system.ports),
            web.get("/port/{port}/in-use", system.port_in_use),
            web.post("/env", system.update_env),
        ]
    )
    app.add_routes(
        [
            web.route("*", f"/{prefix}{{rest:(/.*)?}}", refusal(words))
            for prefix, words in NOT_SERVED.items()
        ]
    )
    return app


def file_routes() -> list[web.RouteDef]:
    return [
        web.get("/files", files.list_files),
        web.delete("/files", files.delete_file),
        web.get("/files/info", files.file_info),
        web.post("/files/folder", files.create_folder),
        web.post("/files/move", files.move_file),
        web.post("/files/permissions", files.set_permissions),
        web.get("/files/find", search.find_in_files),
        web.get("/files/search", search.search_files),
        web.post("/files/replace", search.replace_in_files),
        web.get("/files/download", transfer.download),
        web.post("/files/upload", transfer.upload),
        web.post("/files/upload-v2", transfer.upload),
        web.post("/files/bulk-upload", transfer.bulk_upload),
        web.post("/files/bulk-download", transfer.bulk_download),
    ]


def session_table(sessions: SessionRoutes) -> list[web.RouteDef]:
    one = "/process/session/{session}"
    command = f"{one}/command/{{command}}"
    return [
        web.get("/process/session", sessions.list_all),
        web.post("/process/session", sessions.create),
        web.get("/process/session/entrypoint", sessions.entrypoint),
        web.get("/process/session/entrypoint/logs", sessions.entrypoint_logs),
        web.get(one, sessions.get),
        web.delete(one, sessions.delete),
        web.post(f"{one}/exec", sessions.execute),
        web.get(command, sessions.get_command),
        web.get(f"{command}/logs", sessions.logs),
        web.post(f"{command}/input", sessions.send_input),
    ]


def refusal(words: str) -> Handler:
    async def refuse(_: web.Request) -> web.StreamResponse:
        raise ToolboxError(501, "NOT_IMPLEMENTED", f"{words} is not implemented by the local host")

    return refuse
