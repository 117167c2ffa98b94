"""Every page renders from what the services say, starts nothing by itself, and runs only our
scripts.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from common.clock import utc_now
from common.contracts import chat, keys, sandbox, skills
from common.errors import ConflictError, ErrorCode, NotFoundError
from common.testing.bus import FakeServices

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
LAUNCH_ID = "lau_" + "1" * 20
SESSION_ID = "ses_" + "2" * 20
TURN_ID = "tur_" + "3" * 20
DIGEST = "sha256:" + "a" * 64
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"

pytestmark = pytest.mark.usefixtures("platform")


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
        pointer = r"<link rel=\"canonical\"[^>]*>"
        html = re.sub(pointer, "", html)
        loaded = re.findall(r"<(?:link|script|img)\b[^>]*?(?:src|href)=\"([^\"]*)", html)
        assert loaded
        assert all(address.startswith(("/static/", "/badge/")) for address in loaded)

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

    @pytest.mark.parametrize(
        ("ref", "leads_to"),
        [("acme/tools", "/acme/tools"), ("https://github.com/acme/tools.git", "/acme/tools")],
    )
    async def test_a_repository_of_many_skills_leads_to_its_page(
        self, client: httpx.AsyncClient, services: FakeServices, ref: str, leads_to: str
    ) -> None:
        services.answer(skills.RESOLVE, ConflictError("many", code=ErrorCode.SKILL_AMBIGUOUS))

        response = await client.get("/", params={"ref": ref})

        assert response.headers["location"] == leads_to

    @pytest.mark.parametrize(
        ("path", "ref"),
        [
            ("/github.com/acme/tools", "github.com/acme/tools"),
            ("/https://skills.sh/acme/tools/pdf", "https://skills.sh/acme/tools/pdf"),
            ("/https:/skills.sh/acme/tools/pdf", "https://skills.sh/acme/tools/pdf"),
        ],
    )
    async def test_a_whole_address_behind_our_host_is_a_ref(
        self, client: httpx.AsyncClient, path: str, ref: str
    ) -> None:
        response = await client.get(path)

        location = httpx.URL(response.headers["location"])
        assert (location.path, location.params["ref"]) == ("/", ref)


class TestSkillPage:
    async def test_the_path_is_the_ref(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        await client.get("/acme/tools/a/b%20c")

        assert asked(services, skills.ResolveSkill)[-1].ref == "acme/tools/a/b c"

    async def test_hostile_names_and_words_are_inert(
        self, client: httpx.AsyncClient, services: FakeServices, skill: skills.ResolvedSkill
    ) -> None:
        finding = skills.Finding(
            rule=HOSTILE, severity="danger", file=HOSTILE, line=1, excerpt=HOSTILE
        )
        hostile = skill.model_copy(
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
        self, client: httpx.AsyncClient, services: FakeServices, secret: keys.SecretMetadata
    ) -> None:
        services.answer(keys.LIST_SECRETS, keys.SecretList(secrets=[secret]))

        html = (await client.get("/acme/tools/skills/pdf")).text

        assert "ends in 9876" in html

    async def test_a_variable_entered_for_other_bytes_is_asked_for_again(
        self, client: httpx.AsyncClient, services: FakeServices, secret: keys.SecretMetadata
    ) -> None:
        other = secret.model_copy(update={"digest": "sha256:" + "b" * 64})
        services.answer(keys.LIST_SECRETS, keys.SecretList(secrets=[other]))

        html = (await client.get("/acme/tools/skills/pdf")).text

        assert "ends in" not in html

    @pytest.mark.parametrize(
        ("verdict", "has_button", "has_tick"),
        [("clear", True, False), ("confirm", True, True), ("block", False, False)],
    )
    async def test_the_verdict_decides_what_can_be_pressed(
        self,
        client: httpx.AsyncClient,
        services: FakeServices,
        skill: skills.ResolvedSkill,
        verdict: str,
        *,
        has_button: bool,
        has_tick: bool,
    ) -> None:
        report = skills.SafetyReport(verdict=skills.Verdict(verdict))
        services.answer(skills.RESOLVE, skill.model_copy(update={"report": report}))

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


class TestLaunchPage:
    @pytest.mark.parametrize(
        ("state", "ended", "goes_on", "shows"),
        [
            ("running", None, False, "Cancel"),
            ("ready", timedelta(seconds=1), True, "Open the chat"),
            ("ready", timedelta(days=1), False, "Open the chat"),
            ("failed", timedelta(seconds=1), False, "Try again"),
        ],
    )
    async def test_what_it_shows_and_whether_it_goes_on_by_itself(
        self,
        client: httpx.AsyncClient,
        services: FakeServices,
        launch: sandbox.Launch,
        state: str,
        ended: timedelta | None,
        *,
        goes_on: bool,
        shows: str,
    ) -> None:
        ended_at = None if ended is None else utc_now() - ended
        now = launch.model_copy(update={"state": state, "ended_at": ended_at})
        services.answer(sandbox.GET_LAUNCH, now)
        services.answer(sandbox.GET_LAUNCH_ENTRIES, entries(None if ended is None else state))

        html = (await client.get(f"/acme/tools/skills/pdf?launch={LAUNCH_ID}")).text

        visible = re.sub(r"<form[^>]*\shidden.*?</form>", "", html, flags=re.S)
        assert ("data-open" in html) is goes_on
        assert shows in visible
        assert ("hx-sse:connect" in html) is (state == "running")

    async def test_what_is_to_come_says_how_long_it_took_the_last_time(
        self, client: httpx.AsyncClient, services: FakeServices, trial: sandbox.Trial
    ) -> None:
        before = trial.model_copy(update={"path": sandbox.LaunchPath.INSTALL})
        services.answer(sandbox.LIST_TRIALS, sandbox.TrialList(trials=[before]))

        html = (await client.get(f"/acme/tools/skills/pdf?launch={LAUNCH_ID}")).text

        assert 'class="coming"' in html
        assert "last time 1.5 s" in html

    async def test_another_tab_sees_the_launch_that_goes_on(
        self, client: httpx.AsyncClient, services: FakeServices, trial: sandbox.Trial
    ) -> None:
        now = trial.model_copy(update={"state": sandbox.LaunchState.RUNNING})
        services.answer(sandbox.LIST_TRIALS, sandbox.TrialList(trials=[now]))

        html = (await client.get("/acme/tools/skills/pdf")).text

        assert f"/ui/launches/{LAUNCH_ID}/events" in html
        assert "Try pdf</button>" not in html

    async def test_a_failure_shows_the_log_and_keeps_the_choices(
        self, client: httpx.AsyncClient, services: FakeServices, launch: sandbox.Launch
    ) -> None:
        failed = launch.model_copy(update={"state": "failed", "ended_at": AT})
        services.answer(sandbox.GET_LAUNCH, failed)
        services.answer(sandbox.GET_LAUNCH_ENTRIES, entries("failed"))

        html = (await client.get(f"/acme/tools/skills/pdf?launch={LAUNCH_ID}")).text

        assert "phase.failed upload no space &lt;left&gt;" in html
        assert f'name="digest" value="{DIGEST}"' in html
        assert 'name="ref" value="acme/tools/pdf"' in html


def entries(state: str | None) -> sandbox.LaunchEntries:
    """A launch's journal up to its end, if it has one."""
    told: list[Any] = [
        sandbox.LaunchPlanned(seq=1, at=AT, path=sandbox.LaunchPath.INSTALL),
        sandbox.PhaseStarted(seq=2, at=AT, phase=sandbox.PhaseName.UPLOAD),
    ]
    if state == "failed":
        phase = sandbox.PhaseName.UPLOAD
        told.append(sandbox.PhaseFailed(seq=3, at=AT, phase=phase, detail="no space <left>"))
    if state is not None:
        told.append(sandbox.LaunchEnded(seq=4, at=AT, state=state, path=None))
    return sandbox.LaunchEntries(entries=told, ended=state is not None)


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
