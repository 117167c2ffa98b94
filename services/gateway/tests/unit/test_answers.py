"""What is said when something goes wrong, and how the gateway tells its own state."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from common.contracts import keys, sandbox
from common.contracts.events import EVENTS
from common.errors import (
    AppError,
    ConflictError,
    ErrorCode,
    ForbiddenError,
    GoneError,
    InternalError,
    NotFoundError,
    RateLimitedError,
)
from common.testing.bus import FakeServices

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


class TestErrors:
    @pytest.mark.parametrize(
        ("error", "status", "extra"),
        [
            (
                NotFoundError(
                    "no such skill",
                    code=ErrorCode.SKILL_NOT_FOUND,
                    extra={"candidates": ["a/b/d"]},
                ),
                404,
                {"candidates": ["a/b/d"]},
            ),
            (
                ConflictError(
                    "report",
                    code=ErrorCode.REPORT_NOT_ACKNOWLEDGED,
                    extra={"findings": []},
                ),
                409,
                {"findings": []},
            ),
            (ForbiddenError("blocked", code=ErrorCode.SKILL_BLOCKED), 403, {}),
            (GoneError("too late", code=ErrorCode.APPROVAL_EXPIRED), 410, {}),
            (
                RateLimitedError("busy", code=ErrorCode.QUOTA_EXCEEDED, retry_at=AT),
                429,
                {"retry_at": "2026-01-01T12:00:00Z"},
            ),
            (InternalError("something went wrong on our side"), 500, {}),
        ],
    )
    async def test_a_services_error_reaches_the_caller_with_its_facts(
        self,
        client: httpx.AsyncClient,
        services: FakeServices,
        error: AppError,
        status: int,
        extra: dict[str, Any],
    ) -> None:
        services.answer(sandbox.START_LAUNCH, error)

        response = await client.post("/api/launches", json={"ref": "a/b/c"})

        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"
        body = response.json()
        assert (body["code"], body["detail"]) == (error.code, error.detail)
        assert {name: body[name] for name in extra} == extra

    async def test_a_service_that_is_not_running_is_named(self, client: httpx.AsyncClient) -> None:
        response = await client.get("/api/settings")

        assert response.status_code == 503
        assert response.json()["detail"] == "keys is not running"

    async def test_a_bug_says_nothing_of_itself(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        def bug(_: keys.GetSettings) -> keys.OwnerSettings:
            message = "secret detail"
            raise ZeroDivisionError(message)

        services.answer(keys.GET_SETTINGS, bug)

        response = await client.get("/api/settings")

        assert (response.status_code, response.json()["code"]) == (500, "internal")
        assert "secret detail" not in response.text


class TestIdempotencyKey:
    @pytest.mark.parametrize("key", ["", "x" * 201])
    async def test_a_strange_one_is_refused(self, client: httpx.AsyncClient, key: str) -> None:
        headers = {"Idempotency-Key": key}

        response = await client.post("/api/launches", json={"ref": "a/b"}, headers=headers)

        assert response.status_code == 400


class TestHealth:
    async def test_alive_is_alive(self, client: httpx.AsyncClient, services: FakeServices) -> None:
        services.down |= {"keys", "chat-proxy"}

        assert (await client.get("/healthz")).json() == {"status": "ok"}

    async def test_ready_when_every_dependency_answers(self, client: httpx.AsyncClient) -> None:
        response = await client.get("/readyz")

        assert (response.status_code, response.json()["status"]) == (200, "ready")

    async def test_what_is_waited_for_is_named(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.down |= {"keys", "chat-proxy"}

        response = await client.get("/readyz")

        assert response.status_code == 503
        assert response.json()["waiting_for"] == ["keys", "chat-proxy"]

    @pytest.mark.usefixtures("measured")
    async def test_metrics_name_routes_not_paths(self, client: httpx.AsyncClient) -> None:
        await client.get("/api/sessions/ses_private")

        text = (await client.get("/metrics")).text

        assert 'route="/api/sessions/{session_id}"' in text
        assert "ses_private" not in text


class TestDocuments:
    async def test_openapi_names_every_route_with_its_errors(
        self, client: httpx.AsyncClient
    ) -> None:
        paths = (await client.get("/openapi.json")).json()["paths"]

        assert len(paths) > 20
        for path, methods in paths.items():
            for method, operation in methods.items():
                assert "default" in operation["responses"] or path == "/api/providers", (
                    method,
                    path,
                )

    async def test_asyncapi_names_every_event_and_its_schema_is_found_by_its_type(
        self, client: httpx.AsyncClient
    ) -> None:
        channels = (await client.get("/asyncapi.json")).json()["channels"]

        assert {channel["address"] for channel in channels.values()} == {
            event.subject for event in EVENTS
        }
        for event in EVENTS:
            answer = await client.get(f"/schemas/{event.type}.json")
            assert answer.json()["$id"] == event.schema_id

    async def test_an_unknown_schema_is_not_found(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/schemas/nothing.happened.v1.json")

        assert answer.status_code == 404
        assert answer.json()["code"] == "not_found"
