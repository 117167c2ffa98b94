"""What is pressed on the pages, and where it leads."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from common.contracts import chat, keys, sandbox
from common.errors import ConflictError, ErrorCode, InvalidError, NotFoundError
from common.testing.bus import FakeServices

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
LAUNCH_ID = "lau_" + "1" * 20
SESSION_ID = "ses_" + "2" * 20
TURN_ID = "tur_" + "3" * 20
DIGEST = "sha256:" + "a" * 64

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

    @pytest.mark.parametrize("name", ["lower", "A B", "", "X" * 200])
    async def test_a_strange_name_is_the_callers_error(
        self, client: httpx.AsyncClient, name: str
    ) -> None:
        response = await client.post("/ui/keys", data={"name": name, "value": "v"})

        assert response.status_code == 400


class TestDashboard:
    @pytest.mark.parametrize(
        ("path", "form", "kind"),
        [
            ("/ui/sandbox/stop", {}, sandbox.OwnerRequest),
            ("/ui/sandbox/delete", {}, sandbox.OwnerRequest),
            ("/ui/sandbox/skills", {"directory": "a--b--c"}, sandbox.RemoveSkill),
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
