"""The composition root: the only file that knows every other."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import uvicorn
from common.contracts.sandbox import SandboxState
from common.metrics.table import BACKLOG, VIEWERS
from common.preview import PreviewGuard, open_agent_http
from common.running import settle, stop_signal
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from gateway.adapters.agents import PreviewAgents
from gateway.adapters.bus import Bus, Heard
from gateway.adapters.issuer_http import IssuerHttp
from gateway.adapters.local_issuer import LocalIssuer, read_issuer
from gateway.adapters.login import OidcLogin
from gateway.adapters.oidc import OidcKeys
from gateway.adapters.rates import LeakyBuckets
from gateway.adapters.sealing import FernetSeal
from gateway.adapters.tokens import IssuerVerifier
from gateway.endpoints.api import create_api
from gateway.endpoints.dependencies import Edge
from gateway.endpoints.guard import Guard
from gateway.endpoints.limited import Limited
from gateway.endpoints.observed import Observed
from gateway.endpoints.session_cookie import Cookies
from gateway.model.frames import encode_announcement
from gateway.model.identity import LOCAL_USER
from gateway.service.admission import Admission
from gateway.service.identity import Authenticator, Owners
from gateway.service.login import Login, SealedSessions
from gateway.service.viewing import Viewers
from gateway.settings import Settings
from gateway.web.site import add_pages

logger = logging.getLogger(__name__)

_SEND_BUFFER_BYTES = 256 * 1024
_UNTAKEN_MS = 60_000

SERVICES = ("keys", "skill-resolver", "sandbox-manager", "chat-proxy")


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
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=list(settings.trusted_proxies),
                timeout_graceful_shutdown=int(settings.drain.total_seconds()),
            )
        )
        settle()
        serving: asyncio.Future[Any] = asyncio.ensure_future(server.serve([server.listener()]))
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
    """Leaves signals to the process, and bounds what the system keeps for a slow client."""

    def listener(self) -> socket.socket:
        """Every connection has its options: by itself the system would let each buffer grow to
        megabytes, and keep it for as long as a client that takes nothing is there.
        """
        listener = self.config.bind_socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNTAKEN_MS)
        return listener

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def wired(settings: Settings) -> AsyncIterator[Wiring]:
    """The application with its connections; it answers while NATS is still waited for."""
    async with AsyncExitStack() as stack:
        bus = Bus()
        viewers = Viewers(
            bus,
            limit_bytes=settings.viewer_buffer_bytes,
            most=settings.streams,
            most_of_owner=settings.owner_streams,
        )
        VIEWERS.watch(lambda: len(viewers))
        BACKLOG.watch(lambda: viewers.waiting_bytes)
        http = await stack.enter_async_context(aiohttp.ClientSession(trust_env=True))
        agent_http = await stack.enter_async_context(open_agent_http(settings.preview_domains))
        owners = Owners(bus)
        issuer = _local_issuer(settings)
        login = _login(settings, http)
        answering = {name: partial(bus.ping, name) for name in SERVICES}
        edge = Edge(
            services=bus,
            bodies=bus,
            raw_agents=PreviewAgents(agent_http, PreviewGuard(settings.preview_domains)),
            viewers=viewers,
            authenticator=Authenticator(
                bus,
                owners,
                verifier=_verifier(settings, issuer, http),
                sessions=login.sessions if login else None,
                without_token=LOCAL_USER if settings.auth == "local" else None,
            ),
            auth=settings.auth,
            keepalive=settings.keepalive,
            checks={"nats": bus.ping_bus, **answering},
            example_skills=settings.example_skills,
            local_issuer=issuer.published if issuer else None,
            login=login,
            admission=_admission(settings),
            cookies=Cookies(is_https=settings.is_https),
        )
        nats_url = settings.nats_url.get_secret_value()
        heard = Heard(owners.forget, partial(_announce_stop, viewers))
        holding = bus.hold(nats_url, heard, ca_file=settings.nats_ca_file)
        tasks = (holding, viewers.watch())
        background = [asyncio.ensure_future(task) for task in tasks]
        stack.push_async_callback(_cancelled, background)
        yield Wiring(application(create_site(), edge, settings), viewers, background)


def _announce_stop(viewers: Viewers, owner_id: str, reason: str) -> None:
    """Open sessions learn that the sandbox sleeps; the next message wakes it."""
    facts = {"state": SandboxState.STOPPED, "reason": reason}
    viewers.announce(owner_id, encode_announcement("sandbox", facts))


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
    if edge.admission is not None:
        guarded = Limited(guarded, edge.admission)
    if settings.cors_origins:
        guarded = CORSMiddleware(
            guarded,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"],
            expose_headers=["Location", "Retry-After"],
        )
    return Observed(guarded, is_https=settings.is_https)


async def _cancelled(tasks: Sequence[asyncio.Future[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def openapi_document() -> dict[str, Any]:
    return create_api().openapi()


def _admission(settings: Settings) -> Admission:
    return Admission(
        addresses=LeakyBuckets(settings.address_requests_per_minute),
        owners=LeakyBuckets(settings.requests_per_minute),
        most_at_once=settings.requests_at_once,
        most_of_owner=settings.owner_requests_at_once,
    )


def _local_issuer(settings: Settings) -> LocalIssuer | None:
    if settings.auth == "oidc" or settings.local_issuer_key_file is None:
        return None
    return read_issuer(settings.local_issuer, settings.local_issuer_key_file)


def _verifier(
    settings: Settings, local: LocalIssuer | None, http: aiohttp.ClientSession
) -> IssuerVerifier | None:
    if local is not None:
        return IssuerVerifier(local, issuer=local.issuer, audience=settings.local_audience)
    if settings.auth == "local":
        return None
    keys = OidcKeys(IssuerHttp(settings.oidc_issuer, http))
    return IssuerVerifier(keys, issuer=settings.oidc_issuer, audience=settings.oidc_audience)


def _login(settings: Settings, http: aiohttp.ClientSession) -> Login | None:
    if not settings.oidc_client_id:
        return None
    issuer = IssuerHttp(settings.oidc_issuer, http)
    # An ID token is meant for the client that asked for it, not for the API.
    verifier = IssuerVerifier(
        OidcKeys(issuer), issuer=settings.oidc_issuer, audience=settings.oidc_client_id
    )
    provider = OidcLogin(
        issuer,
        verifier,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret,
        redirect_uri=settings.redirect_uri,
    )
    seal = FernetSeal(settings.cookie_keys())
    return Login(provider, seal, SealedSessions(seal, ttl=settings.session_ttl))
