"""What is pressed on the pages, and where it leads."""

import re
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from common.contracts import chat, keys, relay, sandbox
from common.contracts.resources import Resources
from common.errors import ConflictError, ErrorCode, InvalidError, NotFoundError
from common.testing.bus import FakeServices

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
LAUNCH_ID = "lau_" + "1" * 20
SESSION_ID = "ses_" + "2" * 20
TURN_ID = "tur_" + "3" * 20
DIGEST = "sha256:" + "a" * 64

SKILL = {
    "ref": "acme/tools/pdf",
    "owner": "acme",
    "repo": "tools",
    "commit": "0" * 40,
    "path": "skills/pdf",
    "name": "pdf",
    "digest": DIGEST,
    "directory": "acme--tools--pdf",
}
SESSION = {
    "id": SESSION_ID,
    "title": "What is in it?",
    "skill": SKILL,
    "launch_id": LAUNCH_ID,
    "created_at": AT,
    "updated_at": AT,
}

pytestmark = pytest.mark.usefixtures("platform")


def asked(services: FakeServices, kind: type[Any]) -> list[Any]:
    return [request for request in services.asked if type(request) is kind]


class TestLaunching:
    FORM = {  # noqa: RUF012
        "ref": "acme/tools/pdf",
        "digest": DIGEST,
        "here": "/acme/tools/skills/pdf",
        "key": "key_1",
    }

    async def test_the_button_launches_exactly_what_was_shown(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        response = await client.post("/ui/launches", data={**self.FORM, "report_ack": DIGEST})

        launched = asked(services, sandbox.StartLaunch)[-1]
        assert (launched.digest, launched.report_ack) == (DIGEST, DIGEST)
        assert launched.idempotency_key == "key_1"
        assert response.headers["location"] == f"/acme/tools/skills/pdf?launch={LAUNCH_ID}"

    async def test_variables_it_asks_for_are_sealed_for_it_and_others_are_not_taken(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        form = {**self.FORM, "var-PDF_KEY": "value", "var-PATH": "/evil"}

        await client.post("/ui/launches", data=form)

        stored = asked(services, keys.PutSecret)
        assert [(secret.name, secret.skill, secret.digest) for secret in stored] == [
            ("PDF_KEY", "acme/tools/skills/pdf", DIGEST)
        ]

    async def test_a_refusal_is_said_beside_the_button(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.answer(
            sandbox.START_LAUNCH,
            ConflictError("Look at the report.", code=ErrorCode.REPORT_NOT_ACKNOWLEDGED),
        )

        response = await client.post("/ui/launches", data=self.FORM)

        assert response.status_code == 409
        assert "Look at the report." in response.text
        assert "Try pdf</button>" in response.text

    @pytest.mark.parametrize(
        "here", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", ""]
    )
    async def test_it_never_leads_to_another_site(
        self, client: httpx.AsyncClient, here: str
    ) -> None:
        response = await client.post("/ui/launches", data={**self.FORM, "here": here})

        assert response.headers["location"].startswith("/?launch=")

    async def test_a_page_of_another_site_cannot_press_it(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        headers = {"Origin": "https://evil.example"}

        response = await client.post("/ui/launches", data=self.FORM, headers=headers)

        assert response.status_code == 403
        assert asked(services, sandbox.StartLaunch) == []

    async def test_a_launch_opens_one_conversation_however_often_it_is_pressed(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        for _ in range(2):
            response = await client.post(f"/ui/launches/{LAUNCH_ID}/session")

        opened = asked(services, chat.CreateSession)
        assert len({request.idempotency_key for request in opened}) == 1
        assert response.headers["location"].endswith(f"?session={SESSION_ID}")


class TestChat:
    async def test_the_conversation_is_readable_without_scripts(
        self, client: httpx.AsyncClient
    ) -> None:
        html = (await client.get(f"/acme/tools/skills/pdf?session={SESSION_ID}")).text

        assert "<strong>Ahoy</strong>" in html
        assert "events?from=5.0" in html
        assert f"/turns/{TURN_ID}/stop" in html

    async def test_a_message_is_sent_once(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        turn = chat.Turn(
            id=TURN_ID, session_id=SESSION_ID, state="pending", text="hi", created_at=AT
        )
        services.answer(chat.START_TURN, turn)

        response = await client.post(
            f"/ui/sessions/{SESSION_ID}/turns",
            data={"text": "hi", "key": "key_1"},
            headers={"HX-Request": "true"},
        )

        assert response.status_code == 202
        assert asked(services, chat.StartTurn)[-1].idempotency_key == "key_1"
        assert 'id="key"' in response.text

    async def test_a_refusal_is_shown_at_the_composer(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.answer(
            chat.START_TURN, ConflictError("An answer <is> running", code=ErrorCode.TURN_RUNNING)
        )

        response = await client.post(
            f"/ui/sessions/{SESSION_ID}/turns",
            data={"text": "hi"},
            headers={"HX-Request": "true"},
        )

        assert response.status_code == 409
        assert 'hx-target="#composer-problem"' in response.text
        assert "An answer &lt;is&gt; running" in response.text

    async def test_an_answer_that_is_no_choice_is_refused(self, client: httpx.AsyncClient) -> None:
        response = await client.post(
            f"/ui/sessions/{SESSION_ID}/approvals/a", data={"choice": "whatever"}
        )

        assert response.status_code == 400

    async def test_a_foreign_conversation_is_not_there(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.answer(
            chat.GET_SESSION, NotFoundError("no such session", code=ErrorCode.SESSION_NOT_FOUND)
        )

        response = await client.get(f"/acme/tools/skills/pdf?session={SESSION_ID}")

        assert response.status_code == 404


class TestSettings:
    async def test_a_key_goes_in_and_is_never_shown(
        self, client: httpx.AsyncClient, services: FakeServices, secret: keys.SecretMetadata
    ) -> None:
        stored = secret.model_copy(update={"name": "OPENROUTER_API_KEY", "skill": None})
        services.answer(keys.LIST_SECRETS, keys.SecretList(secrets=[stored]))

        response = await client.post(
            "/ui/keys", data={"name": "OPENROUTER_API_KEY", "value": "sk-secret-9876"}
        )
        html = (await client.get(response.headers["location"])).text

        assert "sk-secret" not in html
        assert "ends in 9876" in html

    async def test_a_refused_value_is_said_and_not_repeated(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.answer(keys.PUT_SETTINGS, InvalidError("A custom endpoint needs a base URL."))

        response = await client.post(
            "/ui/settings", data={"provider": "custom", "model": "m", "base_url": ""}
        )

        assert response.status_code == 400
        assert "needs a base URL" in response.text

    async def test_what_was_chosen_is_still_chosen_after_a_refusal(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.answer(keys.PUT_SETTINGS, InvalidError("no"))

        form = {"provider": "openai", "model": "gpt-x", "key": ""}
        html = (await client.post("/ui/settings", data=form)).text

        assert re.search(r'<option value="openai"[^>]*selected>', html)
        assert 'value="gpt-x"' in html

    async def test_a_key_beside_the_choice_is_sealed_first(
        self, client: httpx.AsyncClient, services: FakeServices, secret: keys.SecretMetadata
    ) -> None:
        services.answer(keys.PUT_SETTINGS, keys.OwnerSettings(provider="openai", model="m"))

        form = {"provider": "openai", "model": "m", "key": "sk-secret"}
        response = await client.post("/ui/settings", data=form)

        kinds = [type(request) for request in services.asked[-2:]]
        assert kinds == [keys.PutSecret, keys.PutSettings]
        assert asked(services, keys.PutSecret)[-1].name == "OPENAI_API_KEY"
        assert response.headers["location"] == "/settings?saved=settings"

    async def test_a_provider_without_a_key_takes_none(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        form = {"provider": "demo", "model": "demo", "key": "sk-secret"}
        response = await client.post("/ui/settings", data=form)

        assert response.status_code == 400
        assert asked(services, keys.PutSecret) == []

    @pytest.mark.parametrize("is_open", [True, False])
    async def test_a_check_says_what_came_of_it(
        self, client: httpx.AsyncClient, services: FakeServices, *, is_open: bool
    ) -> None:
        name = "OPENROUTER_API_KEY"
        said = relay.CheckedKey(
            name=name, provider="openrouter", state="refused", detail="<No>", checked_at=AT
        )
        services.answer(relay.CHECK_KEY, said)

        headers = {"HX-Request": "true"} if is_open else {}
        response = await client.post("/ui/keys/check", data={"name": name}, headers=headers)

        assert "&lt;No&gt;" in response.text
        assert ("<h1>" in response.text) is not is_open

    @pytest.mark.parametrize("is_open", [True, False])
    async def test_models_are_listed_to_pick_from(
        self, client: httpx.AsyncClient, services: FakeServices, *, is_open: bool
    ) -> None:
        listed = relay.ModelList(provider="openai", title="OpenAI", models=["gpt-<x>"])
        services.answer(relay.LIST_MODELS, listed)

        headers = {"HX-Request": "true"} if is_open else {}
        form = {"provider": "openai", "model": "m"}
        response = await client.post("/ui/models", data=form, headers=headers)

        assert '<option value="gpt-&lt;x&gt;">' in response.text
        assert ("<h1>" in response.text) is not is_open

    async def test_deleting_everything_says_how_much_that_is(
        self, client: httpx.AsyncClient
    ) -> None:
        html = " ".join((await client.get("/settings")).text.split())

        assert "your sandbox with its disk, and the 1 skill on it" in html
        assert "1 conversation with all" in html

    async def test_an_own_account_at_daytona_is_no_providers_key(
        self, client: httpx.AsyncClient, services: FakeServices, secret: keys.SecretMetadata
    ) -> None:
        account = secret.model_copy(update={"name": keys.ACCOUNT_KEY, "skill": None})
        services.answer(keys.LIST_SECRETS, keys.SecretList(secrets=[account]))

        html = (await client.get("/settings")).text

        assert "your own Daytona account" in html
        assert "0 provider keys" in html

    @pytest.mark.parametrize("name", ["lower", "A B", "", "X" * 200])
    async def test_a_strange_name_is_the_callers_error(
        self, client: httpx.AsyncClient, name: str
    ) -> None:
        response = await client.post("/ui/keys", data={"name": name, "value": "v"})

        assert response.status_code == 400


class TestSharing:
    async def test_a_link_is_shown_once(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        address = f"/ui/sessions/{SESSION_ID}/share"

        made = await client.post(address, data={"expires_in_days": "7", "with_tools": "1"})
        later = await client.get(address)

        wanted = asked(services, chat.ShareSession)[-1]
        assert (wanted.expires_in_days, wanted.with_tools, wanted.with_reasoning) == (
            7,
            True,
            False,
        )
        assert "/shared/shown-this-once-" in made.text
        assert made.headers["cache-control"] == "no-store"
        assert "shown-this-once-" not in later.text

    async def test_all_links_end_together(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        response = await client.post(f"/ui/sessions/{SESSION_ID}/share/end")

        assert asked(services, chat.SessionRequest)[-1].session_id == SESSION_ID
        assert response.headers["location"] == f"/ui/sessions/{SESSION_ID}/share"


class TestDashboard:
    async def test_it_says_what_the_sandbox_does(
        self, client: httpx.AsyncClient, services: FakeServices, own_sandbox: sandbox.Sandbox
    ) -> None:
        resources = Resources(cpu=1, memory_gib=2, disk_gib=5)
        busy = own_sandbox.model_copy(update={"in_use": 1, "resources": resources})
        services.answer(sandbox.GET_SANDBOX, busy)
        sessions = chat.SessionList.model_validate(
            {"sessions": [{**SESSION, "turn_id": TURN_ID}], "next_cursor": "c&1"}
        )
        services.answer(chat.LIST_SESSIONS, sessions)

        html = (await client.get("/dashboard?q=a%20b")).text

        assert "It answers in <a" in html
        assert "1 CPU, 2 GiB memory, 5 GiB disk" in html
        assert "q=a+b&amp;cursor=c%261" in html

    async def test_a_trial_is_tried_again_with_the_same_bytes(
        self, client: httpx.AsyncClient
    ) -> None:
        html = (await client.get("/dashboard")).text

        assert f'name="digest" value="{DIGEST}"' in html

    async def test_usage_stands_beside_its_limit(self, client: httpx.AsyncClient) -> None:
        html = (await client.get("/dashboard")).text

        assert "250 of 1,000 tokens today" in html

    @pytest.mark.parametrize(
        ("path", "form", "kind"),
        [
            ("/ui/sandbox/stop", {}, sandbox.OwnerRequest),
            ("/ui/sandbox/delete", {}, sandbox.OwnerRequest),
            ("/ui/sandbox/skills", {"directory": "a--b--c"}, sandbox.RemoveSkill),
            ("/ui/usage/cap", {"daily_tokens": "5000"}, chat.SetCap),
            ("/ui/usage/cap", {"daily_tokens": ""}, chat.SetCap),
            (f"/ui/sessions/{SESSION_ID}/rename", {"title": "New"}, chat.RenameSession),
            (f"/ui/sessions/{SESSION_ID}/delete", {}, chat.SessionRequest),
        ],
    )
    async def test_each_button_asks_and_comes_back(
        self,
        client: httpx.AsyncClient,
        services: FakeServices,
        path: str,
        form: dict[str, str],
        kind: type[Any],
    ) -> None:
        response = await client.post(path, data=form)

        assert type(services.asked[-1]) is kind
        assert response.status_code == 303
        assert response.headers["location"].startswith("/dashboard")

    @pytest.mark.parametrize(
        "path", ["/dashboard", "/acme/tools/x", f"/acme/tools/x?session={SESSION_ID}", "/"]
    )
    async def test_a_sandbox_that_is_not_isolated_says_so(
        self,
        client: httpx.AsyncClient,
        services: FakeServices,
        own_sandbox: sandbox.Sandbox,
        path: str,
    ) -> None:
        services.answer(sandbox.GET_SANDBOX, own_sandbox.model_copy(update={"isolation": "none"}))

        assert "not isolated" in (await client.get(path)).text
