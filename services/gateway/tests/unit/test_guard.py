"""What never reaches a route, and that no input is our fault."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from common.contracts.sandbox import HEARTBEAT, Retention, Sandbox, SandboxState
from common.contracts.skills import READ_SKILL_FILE, SkillFileContent
from common.errors import NotFoundError
from common.testing.bus import FakeServices
from gateway.settings import Settings

DIGEST = "sha256:" + "a" * 64


@pytest.fixture(autouse=True)
def beating(services: FakeServices) -> None:
    retention = Retention(stop_minutes=30, archive_minutes=1, delete_minutes=1)
    services.answer(HEARTBEAT, Sandbox(state=SandboxState.ABSENT, retention=retention))


class TestHost:
    @pytest.mark.parametrize(
        "host", ["evil.example", "evil.example:8000", "127.0.0.1", "127.0.0.1:9999", ""]
    )
    async def test_a_name_made_to_resolve_to_us_reads_nothing(
        self, client: httpx.AsyncClient, host: str
    ) -> None:
        response = await client.get("/api/me", headers={"Host": host})

        assert (response.status_code, response.json()["code"]) == (403, "host_refused")

    @pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "LOCALHOST:8000"])
    async def test_our_own_names_are_served(self, client: httpx.AsyncClient, host: str) -> None:
        assert (await client.get("/api/me", headers={"Host": host})).status_code == 200


class TestCsrf:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": "https://evil.example"},
            {"Origin": "http://127.0.0.1:9999"},
            {"Origin": "null"},
        ],
    )
    async def test_a_page_of_another_site_may_not_act(
        self, client: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        response = await client.post("/api/sandbox/heartbeat", headers=headers)

        assert (response.status_code, response.json()["code"]) == (403, "csrf")

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8000"},
            {"Sec-Fetch-Site": "none"},
            {"Origin": "http://127.0.0.1:8000"},
        ],
    )
    async def test_our_pages_and_programs_may(
        self, client: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        response = await client.post("/api/sandbox/heartbeat", headers=headers)

        assert response.status_code == 200


class TestCors:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings.model_validate(
            {"NATS_URL": "nats://nowhere", "cors_origins": ("https://front.example",)}
        )

    @pytest.mark.parametrize(
        ("origin", "allowed"),
        [("https://front.example", "https://front.example"), ("https://evil.example", None)],
    )
    async def test_listed_front_ends_may_ask_with_a_token(
        self, client: httpx.AsyncClient, origin: str, allowed: str | None
    ) -> None:
        headers = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
        }

        response = await client.options("/api/launches", headers=headers)

        assert response.headers.get("access-control-allow-origin") == allowed
        assert "access-control-allow-credentials" not in response.headers

    async def test_without_a_token_they_are_not_the_local_user(
        self, client: httpx.AsyncClient
    ) -> None:
        headers = {"Origin": "https://front.example"}

        response = await client.post("/api/sandbox/heartbeat", headers=headers)

        assert (response.status_code, response.json()["code"]) == (403, "csrf")


class TestBody:
    async def test_a_huge_one_is_refused_before_it_is_read(
        self, client: httpx.AsyncClient
    ) -> None:
        response = await client.post("/api/launches", content=b"x" * (1024 * 1024 + 1))

        assert (response.status_code, response.json()["code"]) == (413, "too_large")

    async def test_a_huge_one_of_unknown_length_too(self, client: httpx.AsyncClient) -> None:
        async def endless() -> AsyncIterator[bytes]:
            for _ in range(200):
                yield b"x" * 10_000

        response = await client.post("/api/launches", content=endless())

        assert (response.status_code, response.json()["code"]) == (413, "too_large")

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b'"text"',
            b"\xff\xfe",
            b'{"ref": "\xff"}',
            b'{"ref": "\\ud800"}',
            b'{"ref": 1}',
            b'{"ref": ""}',
            b'{"ref": null}',
            b'{"ref": "a/b", "more": 1}',
            b'{"ref": "a/b", "digest": "sha256:xyz"}',
            json.dumps({"ref": "x" * 2001}).encode(),
            b'{"ref": NaN}',
            b"[" * 100_000,
        ],
    )
    async def test_an_unreadable_one_is_the_callers_error(
        self, client: httpx.AsyncClient, body: bytes
    ) -> None:
        headers = {"Content-Type": "application/json"}

        response = await client.post("/api/launches", content=body, headers=headers)

        assert (response.status_code, response.json()["code"]) == (400, "invalid_request")
        assert response.headers["content-type"] == "application/problem+json"

    async def test_a_refused_value_is_not_repeated(self, client: httpx.AsyncClient) -> None:
        body = {"value": "sk-secret-value", "skill": ["sk-secret-value"], "sk-x": 1}

        response = await client.put("/api/keys/OPENAI_API_KEY", json=body)

        assert response.status_code == 400
        assert "sk-secret-value" not in response.text


class TestPath:
    @pytest.mark.parametrize(
        "path",
        [
            f"/api/skills/{DIGEST}/files/a%00b",
            f"/api/skills/{DIGEST}/files/a%0Ab",
            "/api/sessions/%00",
            "/api/keys/lower_case",
            "/api/skills/sha256:short/files/SKILL.md",
            f"/api/skills/{DIGEST}/files/" + "x" * 1001,
            "/api/sandbox/skills/" + "x" * 401,
            "/api/sessions?q=" + "x" * 201,
            "/api/skills/resolve",
            "/api/skills/resolve?ref=",
            "/api/sessions/ses_aaaaaaaaaaaaaaaaaaaa/events?after=-1",
            "/api/sessions/ses_aaaaaaaaaaaaaaaaaaaa/events?after=x",
        ],
    )
    async def test_a_strange_one_is_the_callers_error(
        self, client: httpx.AsyncClient, path: str
    ) -> None:
        method = "DELETE" if "/sandbox/" in path or "/keys/" in path else "GET"

        response = await client.request(method, path)

        assert (response.status_code, response.json()["code"]) == (400, "invalid_request")

    @pytest.mark.parametrize("path", ["/api", "/api/", "/api/nothing", "/api/me/", "/api/%ff"])
    async def test_an_unknown_one_is_a_problem_too(
        self, client: httpx.AsyncClient, path: str
    ) -> None:
        response = await client.get(path)

        assert (response.status_code, response.json()["code"]) == (404, "not_found")
        assert response.headers["content-type"] == "application/problem+json"

    async def test_a_method_that_is_not_there_says_which_are(
        self, client: httpx.AsyncClient
    ) -> None:
        response = await client.put("/api/me")

        assert (response.status_code, response.json()["status"]) == (405, 405)
        assert response.headers["allow"] == "GET"

    @pytest.mark.parametrize("path", ["../../etc/passwd", "%2e%2e/x", "a//b", "\u202e", "é/%C3"])
    async def test_any_other_is_the_resolvers_to_judge(
        self, client: httpx.AsyncClient, services: FakeServices, path: str
    ) -> None:
        services.answer(READ_SKILL_FILE, NotFoundError("no such file"))

        response = await client.get(f"/api/skills/{DIGEST}/files/{path}")

        assert response.status_code == 404


class TestHeaders:
    async def test_every_answer_is_private_and_says_what_it_is(
        self, client: httpx.AsyncClient
    ) -> None:
        response = await client.get("/api/me")

        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["content-security-policy"].startswith("default-src 'none'")

    @pytest.mark.parametrize(
        ("path", "content", "kind"),
        [
            ("SKILL.md", b"# Hi", "text/plain; charset=utf-8"),
            ("page.html", b"<script>alert(1)</script>", "text/plain; charset=utf-8"),
            ("x.svg", b"<svg onload='alert(1)'/>", "text/plain; charset=utf-8"),
            ("x.png", b"\x89PNG\0\xff", "image/png"),
            ("x.bin", b"\0\xff", "application/octet-stream"),
            ("x.html", b"\0\xff", "application/octet-stream"),
        ],
    )
    async def test_a_strangers_file_is_never_a_page(
        self,
        client: httpx.AsyncClient,
        services: FakeServices,
        path: str,
        content: bytes,
        kind: str,
    ) -> None:
        import base64

        found = SkillFileContent(
            path=path,
            size=len(content),
            mode=0o644,
            content_base64=base64.b64encode(content).decode(),
        )
        services.answer(READ_SKILL_FILE, found)

        response = await client.get(f"/api/skills/{DIGEST}/files/{path}")

        assert response.content == content
        assert response.headers["content-type"] == kind
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in response.headers["content-security-policy"]
