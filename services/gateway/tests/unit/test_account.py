"""API tokens and their scopes, key checks, and leaving for good."""

import hashlib
from typing import Any

import httpx
import pytest
from common.clock import utc_now
from common.contracts import chat, keys, sandbox
from common.contracts.base import Empty, Erased
from common.contracts.relay import CHECK_KEY, CheckedKey, KeyState
from common.errors import ErrorCode, UnauthenticatedError, UnavailableError
from common.testing.bus import FakeServices
from gateway.model.identity import Identity
from gateway.service.identity import Owners

OWNER = "own_" + "t" * 20
TOKEN_ID = "tok_" + "1" * 20
VALUE = "tsk_" + "v" * 43
BEARER = {"Authorization": f"Bearer {VALUE}"}
FOR_A_PERSON = [
    ("GET", "/api/keys", None),
    ("PUT", "/api/keys/OPENAI_API_KEY", {"value": "x"}),
    ("DELETE", "/api/keys/OPENAI_API_KEY", None),
    ("POST", "/api/keys/OPENAI_API_KEY/check", None),
    ("GET", "/api/tokens", None),
    ("POST", "/api/tokens", {"name": "x"}),
    ("DELETE", f"/api/tokens/{TOKEN_ID}", None),
    ("DELETE", "/api/me", None),
    ("POST", "/ui/leave", None),
    ("POST", "/ui/tokens", None),
    ("POST", "/ui/keys", None),
    ("POST", "/ui/keys/delete", None),
    ("POST", "/ui/keys/check", None),
]

pytestmark = pytest.mark.usefixtures("platform")


def grant(scope: Any) -> keys.TokenGrant:
    return keys.TokenGrant(owner_id=OWNER, token_id=TOKEN_ID, scope=scope)


class TestToken:
    async def test_it_stands_for_its_owner_and_only_its_hash_travels(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.answer(keys.AUTHORIZE_TOKEN, grant("api"))

        me = await client.get("/api/me", headers=BEARER)

        assert me.json()["owner_id"] == OWNER
        assert (me.json()["scope"], me.json()["subject"]) == ("api", None)
        asked = [one for one in services.asked if isinstance(one, keys.AuthorizeToken)]
        assert [one.token_sha256 for one in asked] == [hashlib.sha256(VALUE.encode()).hexdigest()]

    async def test_a_revoked_one_is_worth_nothing_at_once(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.answer(keys.AUTHORIZE_TOKEN, grant("api"))
        before = await client.get("/api/sandbox", headers=BEARER)
        services.answer(
            keys.AUTHORIZE_TOKEN,
            UnauthenticatedError("the API token is not valid", code=ErrorCode.TOKEN_INVALID),
        )

        after = await client.get("/api/sandbox", headers=BEARER)

        assert (before.status_code, after.status_code) == (200, 401)

    @pytest.mark.parametrize(("method", "path", "body"), FOR_A_PERSON)
    async def test_it_changes_no_keys_and_no_tokens(
        self,
        client: httpx.AsyncClient,
        services: FakeServices,
        method: str,
        path: str,
        body: dict[str, str] | None,
    ) -> None:
        services.answer(keys.AUTHORIZE_TOKEN, grant("api"))

        answer = await client.request(method, path, json=body, headers=BEARER)

        assert answer.status_code == 403

    async def test_one_for_v1_opens_nothing_else(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.answer(keys.AUTHORIZE_TOKEN, grant("openai"))

        answers = [
            await client.get(path, headers=BEARER)
            for path in ("/api/me", "/api/sandbox", "/api/sessions", "/api/settings", "/dashboard")
        ]

        models = await client.get("/v1/models", headers=BEARER)

        assert {answer.status_code for answer in answers} == {403}
        assert models.status_code == 200

    async def test_its_value_is_shown_once(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        token = {"id": TOKEN_ID, "name": "cli", "scope": "api", "last_four": "vvvv"}
        made = keys.CreatedToken.model_validate({**token, "created_at": utc_now(), "value": VALUE})
        services.answer(keys.CREATE_TOKEN, made)
        listed = keys.ApiToken.model_validate({**token, "created_at": utc_now()})
        services.answer(keys.LIST_TOKENS, keys.TokenList(tokens=[listed]))
        services.answer(keys.REVOKE_TOKEN, Empty())

        created = await client.post("/api/tokens", json={"name": "cli"})
        page = await client.post("/ui/tokens", data={"name": "cli", "scope": "api"})
        later = [await client.get("/api/tokens"), await client.get("/settings")]
        revoked = await client.delete(f"/api/tokens/{TOKEN_ID}")

        assert (created.status_code, created.json()["value"]) == (201, VALUE)
        assert VALUE in page.text
        assert page.headers["cache-control"] == "no-store"
        assert all(VALUE not in answer.text for answer in later)
        assert revoked.status_code == 204


class TestCheck:
    async def test_what_the_provider_said_is_shown(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        checked = CheckedKey(
            name="OPENAI_API_KEY",
            provider="openai",
            state=KeyState.UNKNOWN,
            detail="Could not tell.",
            checked_at=utc_now(),
        )
        services.answer(CHECK_KEY, checked)

        answer = await client.post("/api/keys/OPENAI_API_KEY/check")
        page = await client.post("/ui/keys/check", data={"name": "OPENAI_API_KEY"})

        assert answer.json()["state"] == "unknown"
        assert "Could not tell." in page.text


class TestLeaving:
    @pytest.fixture(autouse=True)
    def erasable(self, services: FakeServices) -> None:
        services.answer(sandbox.ERASE_SANDBOX, Erased(counts={"sandboxes": 1}))
        services.answer(chat.ERASE_CHATS, Erased(counts={"turns": 3}, is_done=False))
        services.answer(keys.ERASE_OWNER, Erased(counts={"secrets": 2}))

    async def test_it_says_what_there_was_in_each_store(self, client: httpx.AsyncClient) -> None:
        left = (await client.delete("/api/me")).json()

        assert left["counts"] == {
            "sandbox-manager.sandboxes": 1,
            "chat-proxy.turns": 3,
            "keys.secrets": 2,
        }
        assert left["pending"] == ["chat-proxy"]

    async def test_whoever_comes_again_is_asked_about_anew(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        for path in ("/api/me", "/api/me"):
            await client.get(path)
        await client.delete("/api/me")
        await client.get("/api/me")

        assert len([one for one in services.asked if isinstance(one, keys.ResolveOwner)]) == 2

    async def test_a_service_that_is_down_does_it_later(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.answer(chat.ERASE_CHATS, UnavailableError("away"))

        left = await client.delete("/api/me")

        assert left.status_code == 200
        assert left.json()["pending"] == ["chat-proxy"]
        assert any(isinstance(one, keys.EraseOwner) for one in services.asked)

    async def test_without_keys_nothing_is_claimed(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.answer(keys.ERASE_OWNER, UnavailableError("away"))

        assert (await client.delete("/api/me")).status_code == 503

    async def test_a_person_types_it_first(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        unsure = await client.post("/ui/leave", data={"sure": "yes"})
        erased = [one for one in services.asked if isinstance(one, keys.EraseOwner)]
        sure = await client.post("/ui/leave", data={"sure": "Delete everything"})

        assert (unsure.status_code, erased) == (400, [])
        assert sure.status_code == 200
        assert "chat-proxy" in sure.text

    async def test_an_erased_id_is_not_used_again(self, services: FakeServices) -> None:
        owners = Owners(services)
        first = await owners.owner_of(Identity("local", "alice"))
        owners.forget(first)
        await owners.owner_of(Identity("local", "alice"))

        assert len([one for one in services.asked if isinstance(one, keys.ResolveOwner)]) == 2
