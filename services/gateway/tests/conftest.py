"""The gateway over ASGI with fakes of its ports."""

import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import jwt
import openai
import pytest
from common.clock import utc_now
from common.contracts.keys import RESOLVE_OWNER, Owner, ResolveOwner
from common.testing.bus import FakeBodies, FakeJournals, FakeServices
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from gateway.adapters.local_issuer import LocalIssuer
from gateway.adapters.tokens import IssuerVerifier
from gateway.endpoints.dependencies import Edge
from gateway.main import SERVICES, application, create_site
from gateway.model.identity import LOCAL_USER
from gateway.service.identity import Authenticator, Owners
from gateway.service.viewing import Viewers
from gateway.settings import Settings
from starlette.types import ASGIApp

# Fakes that several tests share are modules of their own.
sys.path.insert(0, str(Path(__file__).parent))

ISSUER = "http://127.0.0.1:8000/local-issuer"
OWNERS = {"local": "own_" + "l" * 20, "alice": "own_" + "a" * 20, "bob": "own_" + "b" * 20}


def owner_of(request: ResolveOwner) -> Owner:
    return Owner(owner_id=OWNERS[request.subject], created_at=utc_now())


async def nothing() -> None:
    """A dependency that answers."""


@pytest.fixture
def services() -> FakeServices:
    services = FakeServices()
    services.answer(RESOLVE_OWNER, owner_of)
    return services


@pytest.fixture
def bodies() -> FakeBodies:
    return FakeBodies()


@pytest.fixture
def journals() -> FakeJournals:
    return FakeJournals()


@pytest.fixture(scope="session")
def issuer_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def viewers(journals: FakeJournals) -> Viewers:
    return Viewers(journals, limit_bytes=64 * 1024)


@pytest.fixture
def edge(
    services: FakeServices,
    bodies: FakeBodies,
    raw_agents: Any,
    viewers: Viewers,
    issuer_key: Ed25519PrivateKey,
) -> Edge:
    issuer = LocalIssuer(ISSUER, issuer_key)
    verifier = IssuerVerifier(issuer, issuer=ISSUER, audience="tryskills")
    return Edge(
        services=services,
        bodies=bodies,
        raw_agents=raw_agents,
        viewers=viewers,
        authenticator=Authenticator(
            services, Owners(services), verifier=verifier, without_token=LOCAL_USER
        ),
        auth="local",
        keepalive=timedelta(seconds=15),
        checks={"nats": nothing, **{name: partial(services.ping, name) for name in SERVICES}},
        local_issuer=issuer.published,
    )


@pytest.fixture
def settings() -> Settings:
    return Settings.model_validate({"NATS_URL": "nats://nowhere"})


@pytest.fixture(scope="session")
def site() -> FastAPI:
    """Built once; each test gives it an edge of its own."""
    return create_site()


@pytest.fixture
def app(site: FastAPI, edge: Edge, settings: Settings) -> ASGIApp:
    return application(site, edge, settings)


@pytest.fixture
async def client(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    base_url = "http://127.0.0.1:8000"
    async with httpx.AsyncClient(transport=transport, base_url=base_url) as client:
        yield client


@pytest.fixture
def raw_agents() -> Any:
    from gateway_fakes.raw_agents import FakeRawAgents

    return FakeRawAgents()


@pytest.fixture
def openai_platform(services: FakeServices, journals: FakeJournals) -> Any:
    from gateway_fakes.openai_platform import Platform

    return Platform(services, journals)


@pytest.fixture
def ai(client: httpx.AsyncClient, issuer_key: Ed25519PrivateKey) -> openai.AsyncOpenAI:
    """OpenAI's own client, as alice."""
    claims = {"iss": ISSUER, "aud": "tryskills", "sub": "alice"}
    times = {"iat": utc_now(), "exp": utc_now() + timedelta(hours=1)}
    headers = {"kid": LocalIssuer(ISSUER, issuer_key).published.jwks["keys"][0]["kid"]}
    token = jwt.encode({**claims, **times}, issuer_key, algorithm="EdDSA", headers=headers)
    return openai.AsyncOpenAI(
        api_key=token,
        base_url="http://127.0.0.1:8000/v1",
        http_client=client,  # type: ignore[arg-type]  # it is typed for a fork of httpx
    )
