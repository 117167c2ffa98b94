"""References of all kinds at the HTTP edge: what is none is refused as a problem, never a bug."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from local_platform.visitor import Visitor

PROBLEM = "application/problem+json"
HELLO = "examples/skills/hello"
NOWHERE = "sha256:" + "0" * 64


@pytest.fixture(scope="session")
def http(new_visitor: Callable[[], Visitor]) -> httpx.Client:
    return new_visitor().http


def resolved(http: httpx.Client, ref: str) -> httpx.Response:
    return http.get("/api/skills/resolve", params={"ref": ref})


def code(response: httpx.Response) -> str:
    """That of a refusal in the one form there is."""
    assert response.status_code in range(400, 500), response.text
    assert response.headers["content-type"] == PROBLEM
    problem: dict[str, Any] = response.json()
    assert problem["detail"]
    return str(problem["code"])


class TestResolve:
    @pytest.mark.parametrize(
        ("ref", "expected"),
        [
            ("pdf", "source_malformed"),
            ("a" * 2001, "invalid_request"),
            ("acme/tools/a%00b", "source_malformed"),
            ("acme/tools/pdf\r\nHost: evil.example", "source_malformed"),
            ("../../etc/passwd", "source_unsupported"),
            ("/etc/passwd", "source_unsupported"),
            ("https://evil.example/skills.sh/acme/tools/pdf", "source_unsupported"),
            ("https://user:hunter2@github.com/acme/tools", "source_malformed"),
            ("http://169.254.169.254/latest/meta-data/", "source_unsupported"),
            ("npx skills find pdf", "source_unsupported"),
            ("npx skills add acme/tools -s pdf docx", "skill_ambiguous"),
            ("local/examples/nope", "skill_not_found"),
            ("local/nowhere/hello", "repository_not_found"),
            ("local/examples", "skill_ambiguous"),
        ],
    )
    def test_what_is_no_skill_has_one_code(
        self, http: httpx.Client, ref: str, expected: str
    ) -> None:
        response = resolved(http, ref)

        assert code(response) == expected
        assert "hunter2" not in response.text

    def test_candidates_are_references_that_resolve(self, http: httpx.Client) -> None:
        candidates = resolved(http, "local/examples").json()["candidates"]

        assert len(candidates) >= 3
        for candidate in candidates:
            assert resolved(http, candidate["ref"]).json()["name"] == candidate["name"]

    def test_a_path_of_this_sites_pages_is_a_reference(self, http: httpx.Client) -> None:
        by_path = resolved(http, "/local/examples/hello").json()
        by_page = resolved(http, f"{http.base_url}/local/examples/hello").json()

        assert by_path["digest"] == by_page["digest"] == resolved(http, HELLO).json()["digest"]


class TestRepository:
    def test_its_skills_are_listed(self, http: httpx.Client) -> None:
        listing = http.get("/api/repos/local/examples/skills").json()

        assert listing["total"] == len(listing["skills"]) >= 3

    @pytest.mark.parametrize("path", ["local/nowhere", "-acme/tools", "acme/%2e%2e", "acme/a%20b"])
    def test_what_is_none_is_refused(self, http: httpx.Client, path: str) -> None:
        assert code(http.get(f"/api/repos/{path}/skills"))


class TestFile:
    def test_a_file_of_a_skill(self, http: httpx.Client) -> None:
        digest = resolved(http, HELLO).json()["digest"]

        response = http.get(f"/api/skills/{digest}/files/SKILL.md")

        assert response.status_code == 200
        assert response.text.startswith("---")

    @pytest.mark.parametrize(
        "path", ["nope", "%2e%2e/SKILL.md", "/etc/passwd", "a%0ab", "x" * 1500]
    )
    def test_what_is_none_is_refused(self, http: httpx.Client, path: str) -> None:
        digest = resolved(http, HELLO).json()["digest"]

        for which in (digest, NOWHERE, "sha256:zz"):
            assert code(http.get(f"/api/skills/{which}/files/{path}"))
