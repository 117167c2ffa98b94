"""The raw proxy: listed paths of the caller's own agent, under a use-lease, and nothing else."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from common.contracts import chat, sandbox
from common.contracts.base import Empty
from common.errors import (
    AppError,
    ErrorCode,
    ForbiddenError,
    NotFoundError,
    UnavailableError,
)
from common.testing.bus import FakeServices
from gateway_fakes.asgi import Visit
from gateway_fakes.raw_agents import FakeAnswer, FakeRawAgents
from pydantic import SecretStr

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
URL, KEY = "https://8642-abcdef0123456789.proxy.daytona.works", "the-agents-own-key"
ASKED = {"path": "/v1/chat/completions", "body": {"messages": []}}


def cap(used: int, daily: int | None = None) -> chat.UsageReport:
    told = chat.TokenCap(daily_tokens=daily, own=daily, operator=None, used=used, resets_at=AT)
    return chat.UsageReport(cap=told, days=[], sessions=[])


@pytest.fixture(autouse=True)
def endpoint(services: FakeServices) -> None:
    services.answer(
        sandbox.ACQUIRE_RAW_AGENT,
        sandbox.RawAgentEndpoint(
            use_lease_id="use_1",
            expires_at=AT,
            url=SecretStr(URL),
            headers={"X-Daytona-Skip-Preview-Warning": SecretStr("true")},
            token=SecretStr(KEY),
        ),
    )
    services.answer(sandbox.RELEASE_USE, Empty())
    services.answer(chat.GET_USAGE, cap(0))


def released(services: FakeServices) -> list[str]:
    return [one.use_lease_id for one in services.asked if isinstance(one, sandbox.ReleaseUse)]


class TestPassing:
    @pytest.mark.parametrize("stream", [True, False])
    async def test_a_completion_goes_to_the_own_agent_and_comes_back(
        self,
        client: httpx.AsyncClient,
        services: FakeServices,
        raw_agents: FakeRawAgents,
        *,
        stream: bool,
    ) -> None:
        kind = "text/event-stream" if stream else "application/json"
        headers = {"content-type": f"{kind}; charset=utf-8", "x-hermes-session-id": "s"}
        raw_agents.answer = FakeAnswer(200, headers, (b"data: 1", b"2"))

        response = await client.post("/api/hermes", json={**ASKED, "stream": stream})

        assert (response.status_code, response.content) == (200, b"data: 12")
        assert response.headers["content-type"] == kind
        assert response.headers["x-hermes-session-id"] == "s"
        [call] = raw_agents.calls
        assert (call.method, call.url) == ("POST", f"{URL}/v1/chat/completions")
        assert call.headers["Authorization"] == f"Bearer {KEY}"
        assert call.headers["X-Daytona-Skip-Preview-Warning"] == "true"
        assert json.loads(call.body or b"") == {"messages": [], "stream": stream}
        assert (released(services), raw_agents.closed) == (["use_1"], 1)

    @pytest.mark.parametrize("path", ["/v1/models", "/v1/capabilities", "/v1/skills", "/health"])
    async def test_the_other_paths_are_asked(
        self, client: httpx.AsyncClient, raw_agents: FakeRawAgents, path: str
    ) -> None:
        response = await client.post("/api/hermes", json={"path": path})

        assert response.status_code == 200
        assert [(call.method, call.url) for call in raw_agents.calls] == [("GET", URL + path)]

    async def test_the_agents_own_refusal_is_passed_on(
        self, client: httpx.AsyncClient, raw_agents: FakeRawAgents
    ) -> None:
        raw_agents.answer = FakeAnswer(429, {"content-type": "application/json"}, (b"{}",))

        assert (await client.post("/api/hermes", json=ASKED)).status_code == 429

    async def test_nothing_that_it_sends_is_a_page_of_ours(
        self, client: httpx.AsyncClient, raw_agents: FakeRawAgents
    ) -> None:
        headers = {
            "content-type": "text/html",
            "set-cookie": "a=b",
            "location": "https://elsewhere",
            "content-security-policy": "none",
        }
        raw_agents.answer = FakeAnswer(200, headers, (b"<script>",))

        response = await client.post("/api/hermes", json=ASKED)

        assert response.headers["content-type"] == "text/plain"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert not {"set-cookie", "location"} & set(response.headers)

    async def test_when_the_end_is_seen_the_sandbox_is_no_longer_in_use(
        self, app: Any, services: FakeServices
    ) -> None:
        in_use_at: list[bool] = []

        class Watching(Visit):
            async def _send(self, message: Any) -> None:
                in_use_at.append(not released(services))
                await super()._send(message)

        visit = Watching("/api/hermes", ASKED)
        await visit.to(app)

        assert visit.is_complete
        assert in_use_at[-2:] == [True, False]

    async def test_an_answer_that_breaks_off_does_not_look_complete(
        self, app: Any, services: FakeServices, raw_agents: FakeRawAgents
    ) -> None:
        raw_agents.answer = FakeAnswer(parts=(b"half",), breaks=True)
        visit = Visit("/api/hermes", ASKED)

        await visit.to(app)

        assert [message.get("body") for message in visit.sent] == [None, b"half"]
        assert not visit.is_complete
        assert released(services) == ["use_1"]


class TestGuard:
    @pytest.mark.parametrize(
        "path",
        ["/v1/runs", "/api/jobs", "/v1/models/", "/v1/../api/jobs", "/health?x", "", "//x/health"],
    )
    async def test_other_paths_are_not_passed(
        self,
        client: httpx.AsyncClient,
        services: FakeServices,
        raw_agents: FakeRawAgents,
        path: str,
    ) -> None:
        response = await client.post("/api/hermes", json={"path": path})

        assert (response.status_code, response.json()["code"]) == (400, "invalid_request")
        assert raw_agents.calls == []
        assert not [one for one in services.asked if isinstance(one, sandbox.AcquireRawAgent)]

    @pytest.mark.parametrize("base_url", [URL, f"{URL}/"])
    async def test_the_own_address_may_be_named(
        self, client: httpx.AsyncClient, base_url: str
    ) -> None:
        response = await client.post("/api/hermes", json={**ASKED, "base_url": base_url})

        assert response.status_code == 200

    @pytest.mark.parametrize(
        "base_url",
        [
            "https://8642-fedcba9876543210.proxy.daytona.works",
            "http://8642-abcdef0123456789.proxy.daytona.works",
            f"{URL}.evil.example",
            f"{URL}/../..",
            f"{URL}@evil.example",
            f"{URL}:444",
            URL.upper(),
            "http://127.0.0.1:8000",
            "http://169.254.169.254/latest",
            "",
        ],
    )
    async def test_any_other_is_refused_before_anything_is_sent(
        self,
        client: httpx.AsyncClient,
        services: FakeServices,
        raw_agents: FakeRawAgents,
        base_url: str,
    ) -> None:
        response = await client.post("/api/hermes", json={**ASKED, "base_url": base_url})

        assert (response.status_code, response.json()["code"]) == (403, "foreign_endpoint")
        assert URL not in response.text
        assert raw_agents.calls == []
        assert released(services) == ["use_1"]

    @pytest.mark.parametrize("status", [401, 301, 302, 307])
    async def test_a_redirect_or_a_closed_door_is_the_agents_fault(
        self, client: httpx.AsyncClient, raw_agents: FakeRawAgents, status: int
    ) -> None:
        raw_agents.answer = FakeAnswer(status, {"location": "https://elsewhere"}, (b"",))

        response = await client.post("/api/hermes", json=ASKED)

        assert (response.status_code, response.json()["code"]) == (502, "agent_lost")

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (UnavailableError("it does not answer", code=ErrorCode.AGENT_LOST), 502),
            (ForbiddenError("no preview", code=ErrorCode.HOST_REFUSED), 403),
        ],
    )
    async def test_an_agent_that_cannot_be_asked_is_said(
        self,
        client: httpx.AsyncClient,
        services: FakeServices,
        raw_agents: FakeRawAgents,
        error: AppError,
        status: int,
    ) -> None:
        raw_agents.failure = error

        assert (await client.post("/api/hermes", json=ASKED)).status_code == status
        assert released(services) == ["use_1"]

    async def test_without_a_sandbox_there_is_nothing_to_ask(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        missing = NotFoundError("no sandbox", code=ErrorCode.SANDBOX_NOT_FOUND)
        services.answer(sandbox.ACQUIRE_RAW_AGENT, missing)

        assert (await client.post("/api/hermes", json=ASKED)).status_code == 404


class TestCap:
    async def test_a_used_up_day_refuses_a_completion(
        self, client: httpx.AsyncClient, services: FakeServices, raw_agents: FakeRawAgents
    ) -> None:
        services.answer(chat.GET_USAGE, cap(100, daily=100))

        completion = await client.post("/api/hermes", json=ASKED)
        health = await client.post("/api/hermes", json={"path": "/health"})

        assert (completion.status_code, completion.json()["code"]) == (429, "quota_exceeded")
        assert health.status_code == 200
        assert len(raw_agents.calls) == 1


class TestLeaving:
    async def test_a_client_that_goes_lets_the_agent_and_the_lease_go(
        self, app: Any, services: FakeServices, raw_agents: FakeRawAgents
    ) -> None:
        raw_agents.answer = FakeAnswer(parts=(b"first",), hangs=True)
        visit = Visit("/api/hermes", ASKED)
        visiting = asyncio.ensure_future(visit.to(app))
        async with asyncio.timeout(5):
            while len(visit.sent) < 2:
                await asyncio.sleep(0)

        visit.gone.set()
        await visiting

        assert (raw_agents.closed, released(services)) == (1, ["use_1"])
