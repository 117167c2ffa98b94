"""Every page renders from what the services say, starts nothing by itself, and runs only our
scripts.
"""

import base64
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from common.contracts import chat, keys, sandbox, skills
from common.contracts.base import Empty
from common.errors import ConflictError, ErrorCode, InvalidError, NotFoundError
from common.testing.bus import FakeServices

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
LAUNCH_ID = "lau_" + "1" * 20
SESSION_ID = "ses_" + "2" * 20
TURN_ID = "tur_" + "3" * 20
DIGEST = "sha256:" + "a" * 64
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"

SKILL = skills.ResolvedSkill(
    ref="acme/tools/pdf",
    owner="acme",
    repo="tools",
    commit="0" * 40,
    path="skills/pdf",
    name="pdf",
    description="Reads PDF files.",
    digest=DIGEST,
    files=[
        skills.SkillFile(path="SKILL.md", size=10, mode=0o644, sha256="0"),
        skills.SkillFile(path="run.py", size=10, mode=0o755, sha256="0"),
    ],
    total_bytes=20,
    env_vars=[skills.EnvVar(name="PDF_KEY", required=True, description="a key", source="x")],
    report=skills.SafetyReport(verdict=skills.Verdict.CLEAR),
    resolved_at=AT,
)
LAUNCHED = sandbox.LaunchSkill(
    ref="acme/tools/pdf",
    owner="acme",
    repo="tools",
    commit="0" * 40,
    path="skills/pdf",
    name="pdf",
    digest=DIGEST,
    directory="acme--tools--pdf",
)
LAUNCH = sandbox.Launch(
    id=LAUNCH_ID,
    ref="acme/tools/pdf",
    path=sandbox.LaunchPath.INSTALL,
    state=sandbox.LaunchState.RUNNING,
    phases=[
        sandbox.Phase(
            name=sandbox.PhaseName.UPLOAD,
            state=sandbox.PhaseState.DONE,
            started_at=AT,
            ended_at=AT + timedelta(seconds=1.5),
        )
    ],
    skill=LAUNCHED,
    created_at=AT,
)
SESSION = chat.SessionDetail(
    id=SESSION_ID,
    title="What is in it?",
    skill=LAUNCHED,
    launch_id=LAUNCH_ID,
    created_at=AT,
    updated_at=AT,
    messages=[],
)
ENTRIES: list[Any] = [
    chat.TurnStarted(seq=1, at=AT, turn_id=TURN_ID, text="Hello"),
    chat.Text(seq=5, seq_from=2, at=AT, turn_id=TURN_ID, text="**Ahoy**"),
]
TRIAL = sandbox.Trial(
    id="t",
    launch_id=LAUNCH_ID,
    skill=LAUNCHED,
    path=None,
    state="ready",
    duration_ms=1,
    created_at=AT,
)
SANDBOX = sandbox.Sandbox(
    state=sandbox.SandboxState.ACTIVE,
    created_at=AT,
    skills=[sandbox.InstalledSkill(skill=LAUNCHED, installed_at=AT)],
    retention=sandbox.Retention(stop_minutes=30, archive_minutes=60, delete_minutes=14400),
)
SECRET = keys.SecretMetadata(
    name="PDF_KEY",
    skill="acme/tools/skills/pdf",
    digest=DIGEST,
    last_four="9876",
    version=1,
    set_at=AT,
)


def file_content(request: skills.ReadSkillFile) -> skills.SkillFileContent:
    content = b"---\nname: pdf\n---\n# PDF\n\nRead it.\n"
    if request.path.endswith(".py"):
        content = b"def run():\n    return '<b>'\n"
    encoded = base64.b64encode(content).decode()
    return skills.SkillFileContent(
        path=request.path, size=len(content), mode=0o644, content_base64=encoded
    )


@pytest.fixture(autouse=True)
def platform(services: FakeServices) -> None:
    answers: list[tuple[Any, Any]] = [
        (skills.RESOLVE, SKILL),
        (skills.GET_SKILL, SKILL),
        (skills.READ_SKILL_FILE, file_content),
        (keys.GET_SETTINGS, keys.OwnerSettings(provider="demo", model="demo")),
        (keys.LIST_SECRETS, keys.SecretList(secrets=[])),
        (keys.PUT_SECRET, SECRET),
        (keys.PUT_SETTINGS, keys.OwnerSettings(provider="demo", model="demo")),
        (keys.DELETE_SECRET, Empty()),
        (sandbox.GET_SANDBOX, SANDBOX),
        (sandbox.STOP_SANDBOX, SANDBOX),
        (sandbox.DELETE_SANDBOX, SANDBOX),
        (sandbox.REMOVE_SKILL, SANDBOX),
        (sandbox.LIST_TRIALS, sandbox.TrialList(trials=[TRIAL])),
        (sandbox.START_LAUNCH, LAUNCH),
        (sandbox.GET_LAUNCH, LAUNCH),
        (sandbox.CANCEL_LAUNCH, LAUNCH),
        (chat.GET_SESSION, SESSION),
        (chat.CREATE_SESSION, SESSION),
        (chat.LIST_SESSIONS, chat.SessionList(sessions=[SESSION])),
        (chat.RENAME_SESSION, SESSION),
        (chat.DELETE_SESSION, Empty()),
        (chat.ATTACH, chat.Attached(entries=ENTRIES, last_seq=5)),
    ]
    for rpc, reply in answers:
        services.answer(rpc, reply)


def asked(services: FakeServices, kind: type[Any]) -> list[Any]:
    return [request for request in services.asked if type(request) is kind]


PAGES = [
    "/",
    "/acme/tools/skills/pdf",
    "/acme/tools/skills/pdf?file=run.py",
    f"/acme/tools/skills/pdf?launch={LAUNCH_ID}",
    f"/acme/tools/skills/pdf?session={SESSION_ID}",
    "/dashboard",
    "/settings",
    "/docs",
]


class TestEveryPage:
    @pytest.mark.parametrize("path", PAGES)
    async def test_it_runs_and_loads_only_what_is_ours(
        self, client: httpx.AsyncClient, path: str
    ) -> None:
        response = await client.get(path)

        assert response.status_code == 200, response.text
        policy = response.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        html = response.text
        assert not re.search(r"\son\w+\s*=", html)
        assert not re.search(r"\sstyle\s*=", html)
        assert not re.search(r"<script(?![^>]*src=\"/static/)", html)
        assert "<style" not in html
        loaded = re.findall(r"<(?:link|script|img)\b[^>]*?(?:src|href)=\"([^\"]*)", html)
        assert loaded
        assert all(address.startswith("/static/") for address in loaded)

    @pytest.mark.parametrize("path", PAGES)
    async def test_visiting_starts_nothing(
        self, client: httpx.AsyncClient, services: FakeServices, path: str
    ) -> None:
        await client.get(path)

        for kind in (sandbox.StartLaunch, chat.StartTurn, chat.CreateSession, keys.PutSecret):
            assert asked(services, kind) == []

    @pytest.mark.parametrize("path", PAGES)
    async def test_it_has_one_heading_and_its_fields_have_labels(
        self, client: httpx.AsyncClient, path: str
    ) -> None:
        html = (await client.get(path)).text

        assert len(re.findall(r"<h1[ >]", html)) == 1
        fields = re.findall(r"<(?:input|select|textarea)\b[^>]*>", html)
        for field in fields:
            if 'type="hidden"' in field or 'type="checkbox"' in field:
                continue
            name = re.search(r'\bid="([^"]+)"', field)
            assert name, field
            assert f'for="{name[1]}"' in html, field

    async def test_a_part_whose_service_is_away_says_so_and_the_rest_stands(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.down.add("chat-proxy")

        response = await client.get("/dashboard")

        assert response.status_code == 200
        assert "conversations cannot be listed now" in response.text
        assert "pdf" in response.text

    async def test_static_files_are_kept_for_ever_by_their_content(
        self, client: httpx.AsyncClient
    ) -> None:
        html = (await client.get("/")).text
        for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', html):
            response = await client.get(address)

            assert response.status_code == 200
            assert "immutable" in response.headers["cache-control"]
            assert "?v=" in address


class TestHome:
    async def test_a_ref_leads_to_its_page(self, client: httpx.AsyncClient) -> None:
        response = await client.get("/", params={"ref": "skills.sh/acme/tools/pdf"})

        assert (response.status_code, response.headers["location"]) == (
            303,
            "/acme/tools/skills/pdf",
        )

    async def test_a_pinned_ref_stays_pinned(self, client: httpx.AsyncClient) -> None:
        ref = "https://github.com/acme/tools/tree/v2/skills/pdf"

        response = await client.get("/", params={"ref": ref})

        assert httpx.URL(response.headers["location"]).params["ref"] == ref

    async def test_what_is_not_found_shows_what_is_near(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        candidates = [{"ref": "acme/tools/pdf", "name": HOSTILE}, {"ref": "acme/tools/png"}]
        services.answer(
            skills.RESOLVE,
            NotFoundError(
                HOSTILE, code=ErrorCode.SKILL_NOT_FOUND, extra={"candidates": candidates}
            ),
        )

        response = await client.get("/", params={"ref": HOSTILE})

        assert response.status_code == 404
        assert 'href="/?ref=acme/tools/png"' in response.text
        assert "<script>alert" not in response.text
        assert "<img src=x" not in response.text


class TestSkillPage:
    async def test_the_path_is_the_ref(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        await client.get("/acme/tools/a/b%20c")

        assert asked(services, skills.ResolveSkill)[-1].ref == "acme/tools/a/b c"

    async def test_hostile_names_and_words_are_inert(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        finding = skills.Finding(
            rule=HOSTILE, severity="danger", file=HOSTILE, line=1, excerpt=HOSTILE
        )
        hostile = SKILL.model_copy(
            update={
                "name": HOSTILE,
                "description": HOSTILE,
                "license": HOSTILE,
                "compatibility": HOSTILE,
                "warnings": [HOSTILE],
                "files": [skills.SkillFile(path=HOSTILE, size=1, mode=0o644, sha256="0")],
                "env_vars": [
                    skills.EnvVar(name="A", required=True, description=HOSTILE, source="x")
                ],
                "report": skills.SafetyReport(verdict="confirm", findings=[finding]),
            }
        )
        services.answer(skills.RESOLVE, hostile)

        html = (await client.get("/acme/tools/x")).text

        assert "<script>alert" not in html
        assert "<img src=x" not in html

    async def test_a_stored_variable_shows_its_end_only(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.answer(keys.LIST_SECRETS, keys.SecretList(secrets=[SECRET]))

        html = (await client.get("/acme/tools/skills/pdf")).text

        assert "stored, ends in 9876" in html

    async def test_a_variable_entered_for_other_bytes_is_asked_for_again(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        other = SECRET.model_copy(update={"digest": "sha256:" + "b" * 64})
        services.answer(keys.LIST_SECRETS, keys.SecretList(secrets=[other]))

        html = (await client.get("/acme/tools/skills/pdf")).text

        assert "stored, ends in" not in html

    @pytest.mark.parametrize(
        ("verdict", "has_button", "has_tick"),
        [("clear", True, False), ("confirm", True, True), ("block", False, False)],
    )
    async def test_the_verdict_decides_what_can_be_pressed(
        self,
        client: httpx.AsyncClient,
        services: FakeServices,
        verdict: str,
        *,
        has_button: bool,
        has_tick: bool,
    ) -> None:
        report = skills.SafetyReport(verdict=skills.Verdict(verdict))
        services.answer(skills.RESOLVE, SKILL.model_copy(update={"report": report}))

        html = (await client.get("/acme/tools/skills/pdf")).text

        assert ("Try pdf</button>" in html) is has_button
        assert ('name="report_ack"' in html) is has_tick

    async def test_a_missing_key_is_said_before_the_launch(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.answer(keys.GET_SETTINGS, keys.OwnerSettings(provider="openrouter", model="m"))

        assert "no key for OpenRouter" in (await client.get("/acme/tools/skills/pdf")).text

    async def test_a_file_is_shown_as_source_with_its_lines(
        self, client: httpx.AsyncClient
    ) -> None:
        html = (await client.get("/acme/tools/skills/pdf?file=run.py")).text

        assert 'id="L2"' in html
        assert "<b>" not in html

    @pytest.mark.parametrize("path", ["/acme", "/acme/tools/x", "/api/nothing"])
    async def test_what_is_not_there_is_a_page_for_people(
        self, client: httpx.AsyncClient, services: FakeServices, path: str
    ) -> None:
        services.answer(skills.RESOLVE, NotFoundError("no such skill"))

        response = await client.get(path, headers={"Accept": "text/html"})

        assert response.status_code == 404
        is_page = response.headers["content-type"].startswith("text/html")
        assert is_page is not path.startswith("/api")


class TestRepositoryPage:
    @pytest.fixture(autouse=True)
    def two(self, services: FakeServices) -> None:
        listed = [
            skills.SkillSummary(ref="r", path=f"skills/{name}", name=name, description="d")
            for name in ("pdf", "png")
        ]
        found = skills.RepositorySkills(owner="acme", repo="tools", commit="0" * 40, skills=listed)
        services.answer(skills.LIST_REPOSITORY, found)

    async def test_it_lists_and_searches(self, client: httpx.AsyncClient) -> None:
        whole = (await client.get("/acme/tools")).text
        some = (await client.get("/acme/tools?q=PNG")).text

        assert 'href="/acme/tools/skills/pdf"' in whole
        assert 'href="/acme/tools/skills/pdf"' not in some
        assert 'href="/acme/tools/skills/png"' in some

    async def test_one_skill_goes_straight_through(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        only = skills.SkillSummary(ref="r", path="", name="solo", description="d")
        found = skills.RepositorySkills(owner="acme", repo="tools", commit="0" * 40, skills=[only])
        services.answer(skills.LIST_REPOSITORY, found)

        response = await client.get("/acme/tools")

        assert (response.status_code, response.headers["location"]) == (303, "/acme/tools/solo")


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
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        stored = SECRET.model_copy(update={"name": "OPENROUTER_API_KEY", "skill": None})
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
        self, client: httpx.AsyncClient, services: FakeServices, path: str
    ) -> None:
        services.answer(sandbox.GET_SANDBOX, SANDBOX.model_copy(update={"isolation": "none"}))

        assert "not isolated" in (await client.get(path)).text
