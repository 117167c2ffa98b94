"""The keys of an issuer over real HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from common.errors import UnavailableError
from common.testing.servers import free_port
from gateway.adapters.issuer_http import IssuerHttp
from gateway.adapters.oidc import OidcKeys

KEY: dict[str, Any] = {"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "use": "sig"}


@dataclass
class Issuer:
    url: str
    keys: list[dict[str, Any]] = field(default_factory=lambda: [{**KEY, "kid": "one"}])
    asked: int = 0
    is_down: bool = False
    discovery: dict[str, Any] = field(default_factory=dict)

    async def on_discovery(self, _: web.Request) -> web.Response:
        if self.is_down:
            return web.Response(status=503)
        usual = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        return web.json_response(usual | self.discovery)

    async def on_keys(self, _: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response({"keys": self.keys})


@asynccontextmanager
async def running() -> AsyncIterator[Issuer]:
    port = free_port()
    issuer = Issuer(f"http://127.0.0.1:{port}")
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", issuer.on_discovery)
    app.router.add_get("/keys", issuer.on_keys)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield issuer
    await runner.cleanup()


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with running() as issuer:
        yield issuer


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as http:
        yield http


@dataclass
class Time:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class TestFind:
    async def test_keys_are_fetched_once(
        self, issuer: Issuer, http: aiohttp.ClientSession
    ) -> None:
        keys = OidcKeys(IssuerHttp(issuer.url, http))

        found = [await keys.find("one") for _ in range(5)]

        assert all(key is not None for key in found)
        assert issuer.asked == 1

    async def test_a_new_key_is_found_after_a_rotation(
        self, issuer: Issuer, http: aiohttp.ClientSession
    ) -> None:
        time = Time()
        keys = OidcKeys(IssuerHttp(issuer.url, http), clock=time)
        await keys.find("one")
        issuer.keys = [{**KEY, "kid": "two"}]
        time.now += 31

        assert await keys.find("two") is not None
        assert await keys.find("one") is None

    async def test_made_up_ids_do_not_turn_us_on_the_issuer(
        self, issuer: Issuer, http: aiohttp.ClientSession
    ) -> None:
        keys = OidcKeys(IssuerHttp(issuer.url, http), clock=Time())

        for number in range(50):
            assert await keys.find(f"made-up-{number}") is None

        assert issuer.asked == 1

    async def test_while_the_issuer_is_down_known_keys_hold(
        self, issuer: Issuer, http: aiohttp.ClientSession
    ) -> None:
        time = Time()
        keys = OidcKeys(IssuerHttp(issuer.url, http), clock=time)
        await keys.find("one")
        issuer.is_down = True
        time.now += 3600

        assert await keys.find("one") is not None

    async def test_an_issuer_never_reached_is_an_outage_not_a_bad_token(
        self, issuer: Issuer, http: aiohttp.ClientSession
    ) -> None:
        issuer.is_down = True

        with pytest.raises(UnavailableError):
            await OidcKeys(IssuerHttp(issuer.url, http)).find("one")

    @pytest.mark.parametrize(
        "discovery",
        [
            {"issuer": "https://other.example"},
            {"jwks_uri": "http://evil.example/keys"},
            {"jwks_uri": "file:///etc/passwd"},
            {"jwks_uri": None},
        ],
    )
    async def test_a_discovery_that_does_not_hold_gives_no_key(
        self, issuer: Issuer, http: aiohttp.ClientSession, discovery: dict[str, Any]
    ) -> None:
        issuer.discovery = discovery

        with pytest.raises(UnavailableError):
            await OidcKeys(IssuerHttp(issuer.url, http)).find("one")

    async def test_symmetric_keys_are_never_used(
        self, issuer: Issuer, http: aiohttp.ClientSession
    ) -> None:
        issuer.keys = [{"kty": "oct", "k": "AAAA", "kid": "one"}]

        assert await OidcKeys(IssuerHttp(issuer.url, http)).find("one") is None
