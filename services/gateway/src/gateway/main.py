"""The composition root: the only file that knows every other."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import uvicorn
from common.preview import PreviewGuard, open_agent_http
from common.running import stop_signal
from fastapi import FastAPI
from prometheus_client import Gauge
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from gateway.adapters.agents import PreviewAgents
from gateway.adapters.bus import Bus
from gateway.adapters.local_issuer import LocalIssuer, read_issuer
from gateway.adapters.oidc import OidcKeys
from gateway.adapters.tokens import IssuerVerifier
from gateway.endpoints.api import create_api
from gateway.endpoints.dependencies import Edge
from gateway.endpoints.guard import Guard
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
    async with wired(settings) as wiring:
        server = _Server(
            uvicorn.Config(
                wiring.app,
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
        serving: asyncio.Future[Any] = asyncio.ensure_future(server.serve())
        stopping: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
        logger.info("serving", extra={"port": settings.port, "auth": settings.auth})
        done, _ = await asyncio.wait(
            {serving, stopping, *wiring.background}, return_when=asyncio.FIRST_COMPLETED
        )
        logger.info("stopping")
        wiring.viewers.drain()
        server.should_exit = True
        await serving
        stopping.cancel()
        for task in done - {stopping}:
            task.result()


@dataclass(frozen=True)
class Wiring:
    """The application with what must run beside it; a background task never ends by itself."""

    app: ASGIApp
    viewers: Viewers
    background: Sequence[asyncio.Future[Any]]


class _Server(uvicorn.Server):
    """Leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def wired(settings: Settings) -> AsyncIterator[Wiring]:
    """The application with its connections; it answers while NATS is still waited for."""
    async with AsyncExitStack() as stack:
        bus = Bus()
        viewers = Viewers(bus, limit_bytes=settings.viewer_buffer_bytes)
        VIEWERS.set_function(lambda: len(viewers))
        http = await stack.enter_async_context(aiohttp.ClientSession(trust_env=True))
        agent_http = await stack.enter_async_context(open_agent_http())
        authenticator, issuer = _authentication(settings, http)
        answering = {name: partial(bus.ping, name) for name in SERVICES}
        edge = Edge(
            services=bus,
            bodies=bus,
            raw_agents=PreviewAgents(agent_http, PreviewGuard(settings.preview_domains)),
            viewers=viewers,
            authenticator=authenticator,
            owners=Owners(bus),
            auth=settings.auth,
            keepalive=settings.keepalive,
            checks={"nats": bus.ping_bus, **answering},
            example_skills=settings.example_skills,
            local_issuer=issuer.published if issuer else None,
        )
        nats_url = settings.nats_url.get_secret_value()
        background = [
            asyncio.ensure_future(task) for task in (bus.hold(nats_url), viewers.watch())
        ]
        stack.push_async_callback(_cancelled, background)
        yield Wiring(application(create_site(), edge, settings), viewers, background)


def create_site() -> FastAPI:
    """The API and the pages."""
    site = create_api()
    add_pages(site)
    return site


def application(site: FastAPI, edge: Edge, settings: Settings) -> ASGIApp:
    """The site behind what guards and observes it."""
    site.state.edge = edge
    guarded: ASGIApp = Guard(
        site,
        hosts=settings.hosts,
        max_body_bytes=settings.max_body_bytes,
        max_upload_bytes=settings.max_upload_bytes,
    )
    if settings.cors_origins:
        guarded = CORSMiddleware(
            guarded,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"],
            expose_headers=["Location", "Retry-After"],
        )
    return Observed(guarded)


async def _cancelled(tasks: Sequence[asyncio.Future[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


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
