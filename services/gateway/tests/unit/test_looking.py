"""Looking at skills: without a login, file by file, and as a badge on other sites."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast
from urllib.parse import quote

import httpx
import pytest
from common.contracts import keys, skills
from common.testing.bus import FakeServices
from fastapi import FastAPI
from gateway.endpoints.dependencies import Edge
from gateway.main import application
from gateway.service.identity import Authenticator, Owners
from gateway.service.login import Login
from gateway.settings import Settings

SESSION_ID = "ses_" + "2" * 20
DIGEST = "sha256:" + "a" * 64
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"

pytestmark = pytest.mark.usefixtures("platform")


def asked(services: FakeServices, kind: type[Any]) -> list[Any]:
    return [request for request in services.asked if type(request) is kind]


class TestVisitor:
    """Who has not logged in sees what is public, and is sent to log in for the rest."""

    @pytest.fixture
    async def stranger(
        self, site: FastAPI, edge: Edge, settings: Settings, services: FakeServices
    ) -> AsyncIterator[httpx.AsyncClient]:
        authenticator = Authenticator(services, Owners(services), verifier=None)
        login = cast("Login", object())
        app = application(site, replace(edge, authenticator=authenticator, login=login), settings)
        base_url = "http://127.0.0.1:8000"
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url=base_url
        ) as client:
            yield client

    @pytest.mark.parametrize("path", ["/", "/acme/tools/skills/pdf"])
    async def test_skills_can_be_looked_at(
        self, stranger: httpx.AsyncClient, services: FakeServices, path: str
    ) -> None:
        response = await stranger.get(path)

        assert response.status_code == 200
        assert "/auth/login?next=" in response.text
        assert "Try pdf</button>" not in response.text
        assert asked(services, keys.GetSettings) == []

    @pytest.mark.parametrize(
        "path", ["/dashboard", "/settings", f"/acme/tools/pdf?session={SESSION_ID}"]
    )
    async def test_what_is_somebodys_needs_a_login(
        self, stranger: httpx.AsyncClient, path: str
    ) -> None:
        response = await stranger.get(path)

        assert response.status_code == 303
        assert response.headers["location"].startswith("/auth/login?next=")


class TestBadge:
    async def test_it_is_an_image_that_acts_in_nothing(self, client: httpx.AsyncClient) -> None:
        response = await client.get(f"/badge/acme/tools/{quote(HOSTILE)}.svg")

        assert response.headers["content-type"] == "image/svg+xml"
        assert "<script" not in response.text
        assert "<img" not in response.text
        assert "sandbox" in response.headers["content-security-policy"]

    async def test_looking_at_it_fetches_nothing(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        response = await client.get("/badge/acme/tools/skills/pdf.svg")

        assert "try this skill: pdf" in response.text
        assert services.asked == []


class TestViewer:
    async def test_a_skill_may_say_nothing_of_its_author(
        self, client: httpx.AsyncClient, services: FakeServices, skill: skills.ResolvedSkill
    ) -> None:
        bare: dict[str, Any] = {
            "owner": "local",
            "metadata": {},
            "license": None,
            "description": "",
        }
        services.answer(skills.RESOLVE, skill.model_copy(update=bare))

        assert "the operator" in (await client.get("/local/tools/skills/pdf")).text

    async def test_a_finding_leads_to_its_line(
        self, client: httpx.AsyncClient, services: FakeServices, skill: skills.ResolvedSkill
    ) -> None:
        finding = skills.Finding(
            rule="pipes", severity="danger", file="SKILL.md", line=4, excerpt="curl | sh"
        )
        report = skills.SafetyReport(verdict="confirm", findings=[finding])
        services.answer(skills.RESOLVE, skill.model_copy(update={"report": report}))

        html = (await client.get("/acme/tools/skills/pdf")).text
        source = (await client.get("/acme/tools/skills/pdf?file=SKILL.md&view=source")).text

        assert "file=SKILL.md&amp;view=source#L4" in html
        assert '<li id="L4" class="found danger">' in source

    async def test_a_fragment_links_to_this_site_only(self, client: httpx.AsyncClient) -> None:
        response = await client.get(
            f"/ui/skills/{DIGEST}/file", params={"path": "SKILL.md", "here": "javascript:alert(1)"}
        )

        assert "javascript:" not in response.text
        assert "default-src 'none'" in response.headers["content-security-policy"]

    async def test_files_stand_in_their_directories(
        self, client: httpx.AsyncClient, services: FakeServices, skill: skills.ResolvedSkill
    ) -> None:
        file = skills.SkillFile(path="a/b/c.txt", size=1, mode=0o644, sha256="0")
        services.answer(skills.RESOLVE, skill.model_copy(update={"files": [file]}))

        html = (await client.get("/acme/tools/skills/pdf")).text

        assert html.index("<summary>a/</summary>") < html.index("<summary>b/</summary>")
        assert 'data-file="a/b/c.txt">c.txt</a>' in html
