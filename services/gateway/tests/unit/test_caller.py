"""From a request to an owner: the local user, users of the local issuer, and nobody else."""

import time

import httpx
import jwt
import pytest
from common.contracts.keys import RESOLVE_OWNER, ResolveOwner
from common.contracts.sandbox import GET_SANDBOX, Retention, Sandbox, SandboxState
from common.testing.bus import FakeServices
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gateway.model.identity import Identity
from gateway.service.identity import Authenticator, Owners

ISSUER = "http://127.0.0.1:8000/local-issuer"


def token_of(user: str, key: Ed25519PrivateKey, *, lifetime_s: int = 60) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": "tryskills", "sub": user, "iat": now, "exp": now + lifetime_s}
    return jwt.encode(claims, key, algorithm="EdDSA")


class TestMe:
    async def test_without_a_token_the_local_user(self, client: httpx.AsyncClient) -> None:
        response = await client.get("/api/me")

        assert response.json() == {
            "owner_id": "own_" + "l" * 20,
            "auth": "local",
            "scope": "all",
            "issuer": "local",
            "subject": "local",
            "limits": {},
        }

    async def test_with_a_token_its_user(
        self, client: httpx.AsyncClient, issuer_key: Ed25519PrivateKey
    ) -> None:
        headers = {"Authorization": f"bearer {token_of('alice', issuer_key)}"}

        response = await client.get("/api/me", headers=headers)

        assert response.json()["owner_id"] == "own_" + "a" * 20
        assert response.json()["issuer"] == ISSUER

    @pytest.mark.parametrize(
        ("authorization", "code"),
        [
            ("Bearer nonsense", "token_invalid"),
            ("Bearer ", "unauthenticated"),
            ("Basic bG9jYWw6bG9jYWw=", "unauthenticated"),
            ("", "unauthenticated"),
        ],
    )
    async def test_a_bad_token_is_never_the_local_user(
        self, client: httpx.AsyncClient, authorization: str, code: str
    ) -> None:
        response = await client.get("/api/me", headers={"Authorization": authorization})

        assert response.status_code == 401
        assert response.json()["code"] == code
        assert response.headers["www-authenticate"].startswith("Bearer")

    async def test_an_expired_token_says_so(
        self, client: httpx.AsyncClient, issuer_key: Ed25519PrivateKey
    ) -> None:
        headers = {"Authorization": f"Bearer {token_of('alice', issuer_key, lifetime_s=-99)}"}

        response = await client.get("/api/me", headers=headers)

        assert (response.status_code, response.json()["code"]) == (401, "token_expired")

    async def test_a_bad_token_is_refused_where_none_is_needed(
        self, client: httpx.AsyncClient
    ) -> None:
        headers = {"Authorization": "Bearer nonsense"}

        response = await client.get("/api/skills/resolve?ref=a/b", headers=headers)

        assert response.status_code == 401

    async def test_the_owner_id_is_what_services_are_asked_with(
        self,
        client: httpx.AsyncClient,
        services: FakeServices,
        issuer_key: Ed25519PrivateKey,
    ) -> None:
        retention = Retention(stop_minutes=30, archive_minutes=1, delete_minutes=1)
        services.answer(GET_SANDBOX, Sandbox(state=SandboxState.ABSENT, retention=retention))
        for user in ("alice", "bob"):
            headers = {"Authorization": f"Bearer {token_of(user, issuer_key)}"}
            assert (await client.get("/api/sandbox", headers=headers)).status_code == 200

        owners = [getattr(request, "owner_id", None) for request in services.asked]

        assert [owner for owner in owners if owner] == ["own_" + "a" * 20, "own_" + "b" * 20]


class TestLocalIssuer:
    async def test_it_publishes_its_public_key_only(self, client: httpx.AsyncClient) -> None:
        keys = (await client.get("/local-issuer/.well-known/jwks.json")).json()["keys"]

        assert [set(key) for key in keys] == [{"kty", "crv", "x", "kid", "alg", "use"}]

    async def test_it_is_discovered_like_any_issuer(self, client: httpx.AsyncClient) -> None:
        found = (await client.get("/local-issuer/.well-known/openid-configuration")).json()

        assert found["issuer"] == ISSUER
        assert found["jwks_uri"] == f"{ISSUER}/.well-known/jwks.json"


class TestAuthenticator:
    async def test_without_a_local_user_a_token_is_needed(self, services: FakeServices) -> None:
        with pytest.raises(Exception, match="bearer token"):
            await Authenticator(services, Owners(services)).caller(None)


class TestOwners:
    async def test_the_answer_is_remembered_for_some_minutes(self, services: FakeServices) -> None:
        now = [0.0]
        owners = Owners(services, clock=lambda: now[0])
        for moment in (0.0, 599.0, 601.0):
            now[0] = moment
            await owners.owner_of(Identity("local", "local"))

        assert len(services.asked) == 2

    async def test_two_issuers_with_one_subject_are_two_people(
        self, services: FakeServices
    ) -> None:
        owners = Owners(services)

        await owners.owner_of(Identity("local", "alice"))
        await owners.owner_of(Identity("https://other.example", "alice"))

        asked = [request for request in services.asked if isinstance(request, ResolveOwner)]
        assert [request.issuer for request in asked] == ["local", "https://other.example"]

    async def test_while_keys_is_down_nobody_is_taken_for_somebody(
        self, services: FakeServices, client: httpx.AsyncClient
    ) -> None:
        services.down.add(RESOLVE_OWNER.service)

        response = await client.get("/api/me")

        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
