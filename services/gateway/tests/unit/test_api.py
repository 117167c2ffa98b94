"""Each route asks the right thing and passes the answer on."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from common.contracts import chat, keys, sandbox, skills
from common.contracts.base import Empty
from common.testing.bus import FakeServices

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
OWNER = "own_" + "l" * 20
LAUNCH_ID = "lau_" + "1" * 20
SESSION_ID = "ses_" + "2" * 20
TURN_ID = "tur_" + "3" * 20
DIGEST = "sha256:" + "a" * 64

SKILL = sandbox.LaunchSkill(
    ref="a/b/c",
    owner="a",
    repo="b",
    commit="0" * 40,
    path="c",
    name="c",
    digest=DIGEST,
    directory="a--b--c",
)
LAUNCH = sandbox.Launch(
    id=LAUNCH_ID,
    ref="a/b/c",
    path=None,
    state=sandbox.LaunchState.PENDING,
    phases=[],
    skill=SKILL,
    created_at=AT,
)
SANDBOX = sandbox.Sandbox(
    state=sandbox.SandboxState.ACTIVE,
    retention=sandbox.Retention(stop_minutes=30, archive_minutes=60, delete_minutes=90),
)
SESSION = chat.Session(
    id=SESSION_ID,
    title="Hello",
    skill=SKILL,
    launch_id=LAUNCH_ID,
    created_at=AT,
    updated_at=AT,
)
TURN = chat.Turn(
    id=TURN_ID, session_id=SESSION_ID, state=chat.TurnState.PENDING, text="hi", created_at=AT
)
APPROVAL = chat.Approval(
    id="apr_1",
    session_id=SESSION_ID,
    turn_id=TURN_ID,
    state=chat.ApprovalState.DELIVERED,
    command="rm -r /",
    expires_at=AT,
)
SHARE = chat.Share(
    id="shr_1",
    session_id=SESSION_ID,
    with_tools=True,
    with_reasoning=False,
    last_seq=5,
    created_at=AT,
    expires_at=AT,
)
CAP = chat.TokenCap(daily_tokens=5000, own=5000, operator=None, used=7, resets_at=AT)
USAGE = chat.UsageReport(
    cap=CAP,
    days=[chat.DayUsage(day="2026-01-01", calls=1, total_tokens=7)],
    sessions=[chat.SessionUsage(session_id=SESSION_ID, title="Hello", last_at=AT, calls=1)],
)
SECRET = keys.SecretMetadata(
    name="OPENAI_API_KEY", skill=None, last_four="1234", version=1, set_at=AT
)
RECEIPT = sandbox.Receipt(
    launch_id=LAUNCH_ID,
    skill=SKILL,
    path=sandbox.LaunchPath.INSTANT,
    sandbox_id="s",
    image="i",
    agent="hermes",
    provider="demo",
    model="demo",
    verified_at=AT,
)
RESOLVED = skills.ResolvedSkill(
    ref="a/b/c",
    owner="a",
    repo="b",
    commit="0" * 40,
    path="c",
    name="c",
    description="d",
    digest=DIGEST,
    files=[],
    total_bytes=0,
    report=skills.SafetyReport(verdict=skills.Verdict.CLEAR),
    resolved_at=AT,
)
REPOSITORY = skills.RepositorySkills(owner="a", repo="b", commit="0" * 40, skills=[])
CHOSEN = keys.OwnerSettings(provider="demo", model="demo")

O = {"owner_id": OWNER}  # noqa: E741 (a column of the table below)
L = {**O, "launch_id": LAUNCH_ID}
S = {**O, "session_id": SESSION_ID}
T = {**S, "turn_id": TURN_ID}

# method, path, body, contract, reply, what the service is asked, status
ROUTES: list[tuple[str, str, Any, Any, Any, dict[str, Any], int]] = [
    (
        "GET",
        "/api/skills/resolve?ref=a/b",
        None,
        skills.RESOLVE,
        RESOLVED,
        {"ref": "a/b"},
        200,
    ),
    (
        "GET",
        "/api/repos/a/b/skills?ref=main",
        None,
        skills.LIST_REPOSITORY,
        REPOSITORY,
        {"owner": "a", "repo": "b", "ref": "main"},
        200,
    ),
    (
        "POST",
        "/api/launches",
        {"ref": "a/b/c", "digest": DIGEST, "report_ack": DIGEST},
        sandbox.START_LAUNCH,
        LAUNCH,
        {**O, "ref": "a/b/c", "digest": DIGEST, "report_ack": DIGEST, "idempotency_key": "once"},
        202,
    ),
    ("GET", f"/api/launches/{LAUNCH_ID}", None, sandbox.GET_LAUNCH, LAUNCH, L, 200),
    ("DELETE", f"/api/launches/{LAUNCH_ID}", None, sandbox.CANCEL_LAUNCH, LAUNCH, L, 202),
    ("GET", f"/api/launches/{LAUNCH_ID}/receipt", None, sandbox.GET_RECEIPT, RECEIPT, L, 200),
    (
        "GET",
        "/api/receipt-key",
        None,
        sandbox.GET_RECEIPT_KEY,
        sandbox.ReceiptKey(public_key="k"),
        {},
        200,
    ),
    ("GET", "/api/trials", None, sandbox.LIST_TRIALS, sandbox.TrialList(trials=[]), O, 200),
    ("GET", "/api/sandbox", None, sandbox.GET_SANDBOX, SANDBOX, O, 200),
    ("POST", "/api/sandbox/heartbeat", None, sandbox.HEARTBEAT, SANDBOX, O, 200),
    ("POST", "/api/sandbox/stop", None, sandbox.STOP_SANDBOX, SANDBOX, O, 202),
    ("DELETE", "/api/sandbox", None, sandbox.DELETE_SANDBOX, SANDBOX, O, 202),
    (
        "DELETE",
        "/api/sandbox/skills/a--b--c",
        None,
        sandbox.REMOVE_SKILL,
        SANDBOX,
        {**O, "skill": "a--b--c"},
        200,
    ),
    (
        "POST",
        "/api/sessions",
        {"launch_id": LAUNCH_ID},
        chat.CREATE_SESSION,
        SESSION,
        {**L, "idempotency_key": "once"},
        201,
    ),
    (
        "GET",
        "/api/sessions?q=hello&cursor=there",
        None,
        chat.LIST_SESSIONS,
        chat.SessionList(sessions=[SESSION]),
        {**O, "query": "hello", "cursor": "there"},
        200,
    ),
    (
        "GET",
        f"/api/sessions/{SESSION_ID}",
        None,
        chat.GET_SESSION,
        chat.SessionDetail(**SESSION.model_dump(), messages=[]),
        S,
        200,
    ),
    (
        "PATCH",
        f"/api/sessions/{SESSION_ID}",
        {"title": "New"},
        chat.RENAME_SESSION,
        SESSION,
        {**S, "title": "New"},
        200,
    ),
    ("DELETE", f"/api/sessions/{SESSION_ID}", None, chat.DELETE_SESSION, Empty(), S, 204),
    (
        "POST",
        f"/api/sessions/{SESSION_ID}/turns",
        {"text": "hi", "attachments": ["a.txt"]},
        chat.START_TURN,
        TURN,
        {**S, "text": "hi", "attachments": ["a.txt"], "idempotency_key": "once"},
        202,
    ),
    ("GET", f"/api/sessions/{SESSION_ID}/turns/{TURN_ID}", None, chat.GET_TURN, TURN, T, 200),
    (
        "POST",
        f"/api/sessions/{SESSION_ID}/turns/{TURN_ID}/stop",
        None,
        chat.STOP_TURN,
        TURN,
        T,
        202,
    ),
    (
        "POST",
        f"/api/sessions/{SESSION_ID}/approvals/apr_1",
        {"choice": "once"},
        chat.ANSWER_APPROVAL,
        APPROVAL,
        {**S, "approval_id": "apr_1", "choice": "once"},
        200,
    ),
    (
        "GET",
        f"/api/sessions/{SESSION_ID}/share",
        None,
        chat.LIST_SHARES,
        chat.ShareList(shares=[SHARE]),
        S,
        200,
    ),
    ("DELETE", f"/api/sessions/{SESSION_ID}/share", None, chat.END_SHARES, Empty(), S, 204),
    ("GET", "/api/usage?days=7", None, chat.GET_USAGE, USAGE, {**O, "days": 7}, 200),
    (
        "PUT",
        "/api/usage/cap",
        {"daily_tokens": 5000},
        chat.SET_CAP,
        CAP,
        {**O, "daily_tokens": 5000},
        200,
    ),
    ("PUT", "/api/usage/cap", {"daily_tokens": None}, chat.SET_CAP, CAP, O, 200),
    ("GET", "/api/keys", None, keys.LIST_SECRETS, keys.SecretList(secrets=[SECRET]), O, 200),
    (
        "PUT",
        "/api/keys/OPENAI_API_KEY",
        {"value": "sk-1234", "skill": "a/b/c", "digest": DIGEST},
        keys.PUT_SECRET,
        SECRET,
        {
            **O,
            "name": "OPENAI_API_KEY",
            "value": "sk-1234",
            "skill": "a/b/c",
            "digest": DIGEST,
        },
        200,
    ),
    (
        "DELETE",
        "/api/keys/OPENAI_API_KEY?skill=a/b/c",
        None,
        keys.DELETE_SECRET,
        Empty(),
        {**O, "name": "OPENAI_API_KEY", "skill": "a/b/c"},
        204,
    ),
    ("GET", "/api/settings", None, keys.GET_SETTINGS, CHOSEN, O, 200),
    (
        "PUT",
        "/api/settings",
        {"provider": "custom", "model": "m", "base_url": "http://localhost:11434/v1"},
        keys.PUT_SETTINGS,
        CHOSEN,
        {**O, "provider": "custom", "model": "m", "base_url": "http://localhost:11434/v1"},
        200,
    ),
]


class TestRoutes:
    @pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route[0]} {route[1]}")
    async def test_it_asks_the_service_and_passes_the_answer_on(
        self,
        client: httpx.AsyncClient,
        services: FakeServices,
        route: tuple[str, str, Any, Any, Any, dict[str, Any], int],
    ) -> None:
        method, path, body, rpc, reply, asked, status = route
        services.answer(rpc, reply)

        headers = {"Idempotency-Key": "once"}
        response = await client.request(method, path, json=body, headers=headers)

        assert response.status_code == status, response.text
        assert services.asked[-1].model_dump(mode="json", exclude_none=True) == asked
        if status != 204:
            assert response.json() == reply.model_dump(mode="json")

    async def test_what_is_made_says_where_it_is(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.answer(sandbox.START_LAUNCH, LAUNCH)
        services.answer(chat.CREATE_SESSION, SESSION)

        launch = await client.post("/api/launches", json={"ref": "a/b/c"})
        session = await client.post("/api/sessions", json={"launch_id": LAUNCH_ID})

        assert launch.headers["location"] == f"/api/launches/{LAUNCH_ID}"
        assert session.headers["location"] == f"/api/sessions/{SESSION_ID}"

    async def test_providers_are_known_by_name(self, client: httpx.AsyncClient) -> None:
        found = (await client.get("/api/providers")).json()["providers"]

        assert {"demo", "openrouter", "custom"} <= {provider["name"] for provider in found}

    async def test_no_answer_ever_holds_a_key(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.answer(keys.PUT_SECRET, SECRET)

        response = await client.put("/api/keys/OPENAI_API_KEY", json={"value": "sk-very-secret"})

        assert "sk-very-secret" not in response.text + str(response.headers)
