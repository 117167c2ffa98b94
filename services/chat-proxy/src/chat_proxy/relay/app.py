"""The relay's HTTP surface: routes, and what is done for each call."""

import logging
import re
from collections.abc import Awaitable, Callable

from aiohttp import web
from common.health import Check, health_app
from common.metrics.table import ANSWERS_OPEN

from chat_proxy.relay.errors import RefusedError, bad_request, starting
from chat_proxy.relay.relaying import Relay

logger = logging.getLogger(__name__)

_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,199}")


class Door:
    """Lets nobody in until there is a relay behind it: the port is open before NATS is."""

    def __init__(self) -> None:
        self.relay: Relay | None = None

    def app(self, checks: dict[str, Check]) -> web.Application:
        app = health_app({**checks, "relay": self._is_open})
        app.router.add_post("/llm/v1/chat/completions", self._to(Relay.complete))
        app.router.add_get("/llm/v1/models", self._to(_list_models))
        app.router.add_get("/llm/v1/models/{name:.+}", self._to(_get_model))
        app.router.add_route("*", "/llm/{rest:.*}", self._to(_nothing_here))
        return app

    async def _is_open(self) -> None:
        if self.relay is None:
            raise starting()

    def _to(
        self, handler: Callable[[Relay, web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                if self.relay is None:
                    raise starting()
                with ANSWERS_OPEN:
                    return await handler(self.relay, request)
            except RefusedError as exc:
                logger.info("refused: %s", exc.code, extra={"status": exc.status})
                return web.json_response(exc.body(), status=exc.status)

        return handle


async def _list_models(relay: Relay, request: web.Request) -> web.StreamResponse:
    """What the provider offers, in its own words."""
    return await relay.ask(request, "/models")


async def _get_model(relay: Relay, request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    if not _MODEL_ID.fullmatch(name) or ".." in name:
        message = "This is no name of a model."
        raise bad_request(message)
    return await relay.ask(request, f"/models/{name}")


async def _nothing_here(_: Relay, __: web.Request) -> web.StreamResponse:
    message = "The model relay serves chat/completions and models only."
    raise RefusedError(404, "not_found", message)
