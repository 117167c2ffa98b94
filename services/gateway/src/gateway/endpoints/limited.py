"""Refuses what is too much before anything is done for it.

A request counts as under way until its answer begins, so that an event stream, which is counted
where it is opened, holds no place.
"""

from common.errors import AppError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.endpoints.problems import respond
from gateway.service.admission import Admission

OWNER = "gateway.owner"
"""The key of the scope under which a request tells whose it is."""

_FREE = frozenset({"/healthz", "/readyz", "/metrics"})


class Limited:
    """An ASGI application in front of another."""

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self._app = app
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _FREE:
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        try:
            await self._admission.address(client[0] if client else "")
            self._admission.enter()
        except AppError as error:
            await respond(error)(scope, receive, send)
            return
        is_under_way = True

        def begun() -> None:
            nonlocal is_under_way
            if is_under_way:
                is_under_way = False
                self._admission.leave()
                if OWNER in scope:
                    self._admission.done(scope[OWNER])

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                begun()
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        finally:
            begun()
