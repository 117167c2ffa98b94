"""Every error as HTTP, in the form that a path's clients read."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from common.errors import CLASS_OF, ErrorCode, RateLimitedError, UnauthenticatedError
from gateway.endpoints.problems import respond
from gateway.errors import STATUS, problem, problem_headers
from starlette.types import Receive, Scope, Send

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


class TestStatus:
    def test_every_code_has_one(self) -> None:
        assert set(STATUS) == set(ErrorCode)

    @pytest.mark.parametrize("code", ErrorCode)
    def test_it_is_an_error_and_ours_only_when_it_is_our_fault(self, code: ErrorCode) -> None:
        kind = CLASS_OF[code].__name__

        is_ours = kind in {"InternalError", "UnavailableError"}

        assert 400 <= STATUS[code] < 600
        if not is_ours:
            assert STATUS[code] < 500

    @pytest.mark.parametrize(
        ("code", "status"),
        [
            (ErrorCode.REPORT_NOT_ACKNOWLEDGED, 409),
            (ErrorCode.SKILL_AMBIGUOUS, 409),
            (ErrorCode.APPROVAL_DECIDED, 409),
            (ErrorCode.APPROVAL_EXPIRED, 410),
            (ErrorCode.QUOTA_EXCEEDED, 429),
            (ErrorCode.SESSION_NOT_FOUND, 404),
            (ErrorCode.TOO_LARGE, 413),
            (ErrorCode.UNAVAILABLE, 503),
        ],
    )
    def test_the_promised_ones(self, code: ErrorCode, status: int) -> None:
        assert STATUS[code] == status


class TestProblem:
    def test_it_has_the_members_of_the_rfc_and_ours(self) -> None:
        error = RateLimitedError(
            "three launches at once are the limit",
            code=ErrorCode.QUOTA_EXCEEDED,
            retry_at=NOW,
            extra={"limit": 3},
        )

        assert problem(error) == {
            "type": "urn:tryskills:problem:quota_exceeded",
            "title": "Quota exceeded",
            "status": 429,
            "detail": "three launches at once are the limit",
            "code": "quota_exceeded",
            "retry_at": "2026-01-01T12:00:00Z",
            "limit": 3,
        }

    def test_facts_of_an_error_never_replace_its_members(self) -> None:
        error = RateLimitedError("slow down", extra={"status": 200, "code": "fine"})

        assert problem(error)["status"] == 429
        assert problem(error)["code"] == "rate_limited"

    def test_a_client_learns_when_to_come_back(self) -> None:
        error = RateLimitedError("slow down", retry_at=NOW + timedelta(seconds=42))

        assert problem_headers(error, NOW)["Retry-After"] == "42"

    def test_a_rate_limit_without_a_time_still_says_when(self) -> None:
        assert int(problem_headers(RateLimitedError("slow down"), NOW)["Retry-After"]) > 0

    def test_who_is_refused_learns_how_to_say_who_it_is(self) -> None:
        missing = problem_headers(UnauthenticatedError("who?"), NOW)
        expired = problem_headers(
            UnauthenticatedError("too old", code=ErrorCode.TOKEN_EXPIRED), NOW
        )

        assert missing["WWW-Authenticate"] == "Bearer"
        assert expired["WWW-Authenticate"] == 'Bearer error="invalid_token"'

    @pytest.mark.parametrize(
        ("path", "kind"),
        [("/api/me", "application/problem+json"), ("/v1/models", "application/json")],
    )
    async def test_each_path_has_the_form_that_its_clients_read(
        self, path: str, kind: str
    ) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            error = RateLimitedError("slow down", extra={"param": "n"})
            await respond(error, status=405, headers={"Allow": "GET"})(scope, receive, send)

        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            response = await client.get(path)

        body = response.json()
        assert (response.status_code, response.headers["allow"]) == (405, "GET")
        assert response.headers["content-type"] == kind
        assert "retry-after" in response.headers
        if path.startswith("/v1"):
            assert body["error"] == {
                "message": "slow down",
                "type": "rate_limit_error",
                "param": "n",
                "code": "rate_limited",
            }
            assert response.headers["x-should-retry"] == "true"
        else:
            assert (body["status"], body["code"]) == (405, "rate_limited")
