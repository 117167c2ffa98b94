"""A browser logs in at a real OpenID provider, and what happens when somebody cheats."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
import httpx
import pytest
from common.clock import utc_now
from common.contracts import keys, sandbox
from common.contracts.keys import RESOLVE_OWNER, Owner, ResolveOwner
from common.errors import UnauthenticatedError
from common.testing.bus import FakeServices
from fastapi import FastAPI
from gateway.adapters.issuer_http import IssuerHttp
from gateway.adapters.oidc import OidcKeys
from gateway.adapters.tokens import IssuerVerifier
from gateway.endpoints.dependencies import Edge
from gateway.endpoints.session_cookie import Cookies
from gateway.main import _login, _verifier, application
from gateway.service.identity import Authenticator, Owners
from gateway.settings import Settings

GATEWAY = "http://127.0.0.1:8000"
OWN = {"Origin": GATEWAY}
COOKIE_KEY = "A" * 43 + "="
CLIENTS = {"public-client": None, "secret-client": "a secret: with/odd+characters"}


@dataclass
class Identities:
    """Mints owners as keys does."""

    owners: dict[tuple[str, str], str] = field(default_factory=dict)

    def __call__(self, request: ResolveOwner) -> Owner:
        known = (request.issuer, request.subject)
        owner_id = self.owners.setdefault(known, f"own_{len(self.owners):020d}")
        return Owner(owner_id=owner_id, created_at=utc_now())


@pytest.fixture
def identities(services: FakeServices) -> Identities:
    identities = Identities()
    services.answer(RESOLVE_OWNER, identities)
    services.answer(keys.GET_SETTINGS, keys.OwnerSettings(provider="demo", model="demo"))
    services.answer(keys.LIST_SECRETS, keys.SecretList(secrets=[]))
    services.answer(keys.LIST_TOKENS, keys.TokenList(tokens=[]))
    retention = sandbox.Retention(stop_minutes=30, archive_minutes=1, delete_minutes=1)
    state = sandbox.Sandbox(state=sandbox.SandboxState.ABSENT, retention=retention)
    services.answer(sandbox.HEARTBEAT, state)
    return identities


@dataclass
class Site:
    """The gateway in OIDC mode, and browsers that visit it."""

    app: Any
    edge: Edge

    def browser(self) -> httpx.AsyncClient:
        mounts = {GATEWAY: httpx.ASGITransport(self.app)}
        return httpx.AsyncClient(mounts=mounts, base_url=GATEWAY, follow_redirects=True)


Build = Callable[..., Site]


@pytest.fixture
async def build(
    site: FastAPI, edge: Edge, services: FakeServices, identities: Identities, provider: Any
) -> AsyncIterator[Build]:
    async with aiohttp.ClientSession() as http:

        def make(client_id: str = "public-client", **more: Any) -> Site:
            settings = Settings.model_validate(
                {
                    "NATS_URL": "nats://nowhere",
                    "auth": "oidc",
                    "oidc_issuer": provider.url,
                    "oidc_audience": "tryskills",
                    "oidc_client_id": client_id,
                    "oidc_client_secret": CLIENTS[client_id],
                    "public_url": GATEWAY,
                    "cookie_key": COOKIE_KEY,
                    **more,
                }
            )
            login = _login(settings, http)
            assert login is not None
            authenticator = Authenticator(
                services,
                Owners(services),
                verifier=_verifier(settings, None, http),
                sessions=login.sessions,
            )
            known = {**edge.__dict__, "auth": "oidc", "login": login, "cookies": Cookies()}
            ours = Edge(**{**known, "authenticator": authenticator})
            return Site(application(site, ours, settings), ours)

        yield make


async def at_the_provider(
    browser: httpx.AsyncClient, user: str, start: str = "/auth/login?next=/settings"
) -> httpx.Response:
    """Fill in the provider's forms until it sends the browser away; the last answer."""
    page = await browser.get(start)
    for _ in range(6):
        form = re.search(r"<form[^>]*action=\"([^\"]+)\"[^>]*method=\"post\"", page.text)
        if form is None or urlsplit(str(page.url)).netloc == urlsplit(GATEWAY).netloc:
            return page
        fields = dict(re.findall(r"name=\"(\w+)\" value=\"([^\"]*)\"", page.text))
        fields |= {"login": user, "password": "anything"} if fields["prompt"] == "login" else {}
        page = await browser.post(urljoin(str(page.url), unescape(form[1])), data=fields)
    raise AssertionError(page.text)


class TestLogin:
    @pytest.mark.parametrize("client_id", CLIENTS)
    async def test_a_person_who_opens_a_page_comes_back_to_it(
        self, build: Build, provider: Any, client_id: str
    ) -> None:
        async with build(client_id).browser() as browser:
            page = await at_the_provider(browser, "alice", "/settings?saved=key")

            me = (await browser.get("/api/me")).json()

        assert str(page.url) == f"{GATEWAY}/settings?saved=key"
        assert page.status_code == 200
        assert (me["issuer"], me["subject"], me["scope"]) == (provider.url, "alice", "all")

    async def test_two_people_are_two_owners_and_one_stays_one(self, build: Build) -> None:
        owners = []
        for user in ("alice", "bob", "alice"):
            async with build().browser() as browser:
                await at_the_provider(browser, user)
                owners.append((await browser.get("/api/me")).json()["owner_id"])

        assert owners[0] == owners[2] != owners[1]

    async def test_scripts_cannot_read_the_cookie_and_it_says_nothing(self, build: Build) -> None:
        async with build().browser() as browser:
            page = await at_the_provider(browser, "alice")

        set_cookies = [
            header
            for response in page.history
            for header in response.headers.get_list("set-cookie")
            if header.startswith("session=") and "Max-Age=0" not in header
        ]
        assert len(set_cookies) == 1
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(set_cookies[0].split("; "))
        assert "alice" not in set_cookies[0]

    async def test_a_program_without_a_token_is_told_so(self, build: Build) -> None:
        async with build().browser() as browser:
            answer = await browser.get("/api/me")

        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")

    async def test_the_way_back_leads_nowhere_else(self, build: Build) -> None:
        async with build().browser() as browser:
            page = await at_the_provider(
                browser, "alice", "/auth/login?next=https://evil.example/"
            )

        assert page.url.host == "127.0.0.1"
        assert page.url.path == "/"

    async def test_logging_out_ends_it_here(self, build: Build, provider: Any) -> None:
        async with build().browser() as browser:
            await at_the_provider(browser, "alice")

            page = await browser.post("/auth/logout", headers=OWN)
            after = await browser.get("/api/me")

        assert after.status_code == 401
        assert f"{provider.url}/session/end?client_id=public-client" in unescape(page.text)


class TestCheating:
    async def test_a_login_begun_elsewhere_is_not_taken(self, build: Build) -> None:
        """The attacker's own code, put before the victim's browser."""
        site = build()
        async with site.browser() as attacker, site.browser() as victim:
            attacker.follow_redirects = False
            answer = await self._code(attacker, "attacker")

            with_nothing = await victim.get(answer)
            await victim.get("/auth/login")
            with_another = await victim.get(answer)
            after = await victim.get("/api/me")

        assert (with_nothing.status_code, with_another.status_code) == (403, 403)
        assert after.status_code == 401

    async def test_a_code_is_worth_one_login(self, build: Build) -> None:
        async with build().browser() as browser:
            browser.follow_redirects = False
            answer = await self._code(browser, "alice")
            attempt = browser.cookies["login"]

            first = await browser.get(answer)
            browser.cookies.clear()
            second = await browser.get(answer, headers={"Cookie": f"login={attempt}"})

        assert (first.status_code, second.status_code) == (303, 401)

    async def test_a_person_who_says_no_is_not_logged_in(self, build: Build) -> None:
        async with build().browser() as browser:
            page = await browser.get("/auth/login")
            abort = re.search(r"href=\"([^\"]*/abort)\"", page.text)
            assert abort is not None
            refused = await browser.get(urljoin(str(page.url), abort[1]))

        assert refused.status_code == 401
        assert "did not log you in" in refused.text

    async def test_the_wrong_verifier_and_the_wrong_nonce_are_refused(self, build: Build) -> None:
        site = build()
        assert site.edge.login is not None
        oidc = site.edge.login._provider
        for verifier, nonce in (("w" * 43, None), (None, "another nonce")):
            async with site.browser() as browser:
                browser.follow_redirects = False
                answer = httpx.URL(await self._code(browser, "alice"))
                begun = site.edge.login._seal.unseal(
                    "login", browser.cookies["login"], within=site.edge.login.sessions.ttl
                )
                assert begun is not None
                with pytest.raises(UnauthenticatedError):
                    await oidc.exchange(
                        answer.params["code"],
                        verifier=verifier or begun["verifier"],
                        nonce=nonce or begun["nonce"],
                        issuer=None,
                    )

    async def test_another_issuers_answer_is_refused(self, build: Build) -> None:
        async with build().browser() as browser:
            browser.follow_redirects = False
            answer = httpx.URL(await self._code(browser, "alice"))
            other = answer.copy_set_param("iss", "https://other.example")

            refused = await browser.get(str(other))

        assert refused.status_code == 401

    async def test_a_cookie_that_was_changed_or_is_another_kind_is_nobody(
        self, build: Build
    ) -> None:
        async with build().browser() as browser:
            await browser.get("/auth/login")
            attempt = browser.cookies["login"]
            await at_the_provider(browser, "alice")
            session = browser.cookies["session"]
            answers = []
            for value in (session[:-4] + "AAAA", attempt, "", "x" * 5000):
                browser.cookies.clear()
                answers.append(
                    await browser.get("/api/me", headers={"Cookie": f"session={value}"})
                )

        assert {answer.status_code for answer in answers} == {401}

    async def test_a_page_of_another_site_cannot_use_the_cookie(self, build: Build) -> None:
        async with build().browser() as browser:
            await at_the_provider(browser, "alice")
            tries = [
                await browser.post("/api/sandbox/heartbeat", headers=headers)
                for headers in (
                    {},
                    {"Origin": "https://evil.example"},
                    {"Origin": "null"},
                    {"Sec-Fetch-Site": "cross-site"},
                    {"Sec-Fetch-Site": "same-site"},
                )
            ]
            own = await browser.post("/api/sandbox/heartbeat", headers=OWN)

        assert {answer.json()["code"] for answer in tries} == {"csrf"}
        assert own.status_code == 200

    async def test_a_bad_token_does_not_fall_back_to_the_session(self, build: Build) -> None:
        async with build().browser() as browser:
            await at_the_provider(browser, "alice")

            answer = await browser.get("/api/me", headers={"Authorization": "Bearer nonsense"})

        assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")

    async def _code(self, browser: httpx.AsyncClient, user: str) -> str:
        """The address that the provider sends the browser to, not visited yet."""
        page = await browser.get("/auth/login?next=/settings")
        for _ in range(12):
            if page.is_redirect:
                target = urljoin(str(page.url), page.headers["location"])
                if target.startswith(f"{GATEWAY}/auth/callback"):
                    return target
                page = await browser.get(target)
                continue
            form = re.search(r"action=\"([^\"]+)\"", page.text)
            assert form is not None
            fields = dict(re.findall(r"name=\"(\w+)\" value=\"([^\"]*)\"", page.text))
            fields |= {"login": user, "password": "anything"}
            page = await browser.post(urljoin(str(page.url), unescape(form[1])), data=fields)
        raise AssertionError(page.text)


class TestBearer:
    async def test_the_issuers_token_is_taken(self, build: Build, provider: Any) -> None:
        token = await provider.robot_token("tryskills")
        async with build().browser() as program:
            me = await program.get("/api/me", headers={"Authorization": f"Bearer {token}"})

        assert (me.status_code, me.json()["subject"]) == (200, "robot")

    async def test_one_for_another_audience_is_not(self, build: Build, provider: Any) -> None:
        token = await provider.robot_token("another")
        async with build().browser() as program:
            me = await program.get("/api/me", headers={"Authorization": f"Bearer {token}"})

        assert (me.status_code, me.json()["code"]) == (401, "token_invalid")

    async def test_a_new_signing_key_is_picked_up_and_a_removed_one_is_not_trusted(
        self, provider: Any
    ) -> None:
        now = [1000.0]
        async with aiohttp.ClientSession() as http:
            verifier = IssuerVerifier(
                OidcKeys(IssuerHttp(provider.url, http), clock=lambda: now[0]),
                issuer=provider.url,
                audience="tryskills",
            )

            async def holds(token: str) -> bool:
                now[0] += 60
                try:
                    return (await verifier.verify(token)).subject == "robot"
                except UnauthenticatedError:
                    return False

            old = await provider.robot_token("tryskills")
            before = await holds(old)
            await provider.stop()
            while_down = await holds(old)
            await provider.start("second", "first")
            new = await provider.robot_token("tryskills")
            both = (await holds(new), await holds(old))
            await provider.stop()
            await provider.start("third")
            newest = await provider.robot_token("tryskills")
            last = (await holds(newest), await holds(old))

        assert (before, while_down, both, last) == (True, True, (True, True), (True, False))
