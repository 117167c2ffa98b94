"""The composition root: the only file that knows every other."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import aiohttp
import uvicorn
from common.health import Check
from common.running import stop_signal
from prometheus_client import Gauge
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from gateway.adapters.bus import Bus
from gateway.adapters.local_issuer import LocalIssuer, read_issuer
from gateway.adapters.oidc import OidcKeys
from gateway.adapters.tokens import IssuerVerifier
from gateway.endpoints.api import create_api
from gateway.endpoints.dependencies import Edge
from gateway.endpoints.guard import Guard
from gateway.endpoints.health import health_router
from gateway.endpoints.observed import Observed
from gateway.model.identity import LOCAL_USER
from gateway.service.identity import Authenticator, Owners
from gateway.service.viewing import Viewers
from gateway.settings import Settings
from gateway.web.site import add_pages

logger = logging.getLogger(__name__)

SERVICES = ("keys", "skill-resolver", "sandbox-manager", "chat-proxy")
VIEWERS = Gauge("gateway_viewers", "Event streams that are open")


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; then end the streams, so that clients resume by number."""
    stop = stop_signal()
    # Its lines say less than ours.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    async with wired(settings) as (app, viewers):
        server = _Server(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                http="httptools",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=int(settings.drain.total_seconds()),
            )
        )
        serving = asyncio.ensure_future(server.serve())
        stopping = asyncio.ensure_future(stop.wait())
        logger.info("serving", extra={"port": settings.port, "auth": settings.auth})
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        logger.info("stopping")
        viewers.drain()
        server.should_exit = True
        await serving
        stopping.cancel()


class _Server(uvicorn.Server):
    """Leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def wired(settings: Settings) -> AsyncIterator[tuple[ASGIApp, Viewers]]:
    """The application with its connections; it answers while NATS is still waited for."""
    async with AsyncExitStack() as stack:
        bus = Bus()
        stack.push_async_callback(bus.close)
        viewers = Viewers(bus, limit_bytes=settings.viewer_buffer_bytes)
        VIEWERS.set_function(lambda: len(viewers))
        http = await stack.enter_async_context(aiohttp.ClientSession(trust_env=True))
        authenticator, issuer = _authentication(settings, http)
        edge = Edge(
            services=bus,
            viewers=viewers,
            authenticator=authenticator,
            owners=Owners(bus),
            auth=settings.auth,
            keepalive=settings.keepalive,
            example_skills=settings.example_skills,
            local_issuer=issuer.published if issuer else None,
        )
        for background in (bus.connect(settings.nats_url.get_secret_value()), viewers.watch()):
            task = asyncio.ensure_future(background)
            stack.callback(task.cancel)
        yield application(edge, settings, {"nats": bus.ping_bus}), viewers


def application(edge: Edge, settings: Settings, checks: Mapping[str, Check]) -> ASGIApp:
    """The API and the pages, behind what guards and observes them."""
    api = create_api()
    api.state.edge = edge
    answering = {name: partial(edge.services.ping, name) for name in SERVICES}
    api.include_router(health_router({**checks, **answering}))
    add_pages(api)
    guard: ASGIApp = Guard(api, hosts=settings.hosts, max_body_bytes=settings.max_body_bytes)
    if settings.cors_origins:
        guard = CORSMiddleware(
            guard,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"],
            expose_headers=["Location", "Retry-After"],
        )
    return Observed(guard)


def openapi_document() -> dict[str, Any]:
    return create_api().openapi()


def _authentication(
    settings: Settings, http: aiohttp.ClientSession
) -> tuple[Authenticator, LocalIssuer | None]:
    if settings.auth == "oidc":
        keys = OidcKeys(settings.oidc_issuer, http)
        verifier = IssuerVerifier(
            keys, issuer=settings.oidc_issuer, audience=settings.oidc_audience
        )
        return Authenticator(verifier), None
    if settings.local_issuer_key_file is None:
        return Authenticator(None, without_token=LOCAL_USER), None
    issuer = read_issuer(settings.local_issuer, settings.local_issuer_key_file)
    verifier = IssuerVerifier(
        issuer, issuer=settings.local_issuer, audience=settings.local_audience
    )
    return Authenticator(verifier, without_token=LOCAL_USER), issuer
