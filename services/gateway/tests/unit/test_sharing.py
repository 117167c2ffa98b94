"""Exports and read-only links over HTTP; a link as JSON and as a page."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from common.contracts import chat, sandbox
from common.errors import AppError, ErrorCode, GoneError, NotFoundError
from common.testing.bus import FakeBodies, FakeServices
from pydantic import SecretStr

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
SESSION_ID, TURN_ID = "ses_" + "2" * 20, "tur_" + "3" * 20
TOKEN = "AbC-_0123456789012345678901234567890123"
SHA256 = hashlib.sha256(TOKEN.encode()).hexdigest()
SKILL = sandbox.LaunchSkill(
    ref="acme/tools/pdf",
    owner="acme",
    repo="tools",
    commit="0" * 40,
    path="skills/pdf",
    name="pdf",
    digest="sha256:" + "a" * 64,
    directory="acme--tools--pdf",
)
RECEIPT = sandbox.Receipt(
    launch_id="lau_" + "1" * 20,
    skill=SKILL,
    path=sandbox.LaunchPath.INSTANT,
    sandbox_id="s",
    image="image-7",
    agent="hermes",
    provider="demo",
    model="demo",
    verified_at=AT,
)


def of(seq: int, kind: type, **fields: Any) -> Any:
    return kind(seq=seq, at=AT, turn_id=TURN_ID, **fields)


ENTRIES = [
    of(1, chat.TurnStarted, text="<script>alert(1)</script>"),
    of(2, chat.Text, text="**Ahoy** <img src=x onerror=alert(2)>"),
    of(3, chat.ToolCompleted, call_id="c", name="terminal", result="<b>42</b>"),
    of(4, chat.TurnEnded, state="completed"),
]


def page(entries: list[Any] = ENTRIES, last_seq: int = 4, *, more: bool = False) -> Any:
    return chat.SharedPage(
        title="What is in it?",
        skill=SKILL,
        receipt=RECEIPT,
        shared_at=AT,
        expires_at=AT,
        entries=entries,
        last_seq=last_seq,
        more=more,
    )


class TestExport:
    @pytest.mark.parametrize(
        ("query", "asked"),
        [
            ("", {"format": "md", "redact": True}),
            ("?format=json&redact=false", {"format": "json", "redact": False}),
        ],
    )
    async def test_it_is_a_file_with_a_name(
        self,
        client: httpx.AsyncClient,
        services: FakeServices,
        bodies: FakeBodies,
        query: str,
        asked: dict[str, Any],
    ) -> None:
        bodies.waiting["obj_e"] = b"# Hello"
        stored = sandbox.StoredBody(bucket="transfer", object_name="obj_e", size=7)
        made = chat.Exported(file_name="hello.md", media_type="text/markdown", body=stored)
        services.answer(chat.EXPORT_SESSION, made)

        response = await client.get(f"/api/sessions/{SESSION_ID}/export{query}")

        assert response.content == b"# Hello"
        assert response.headers["content-disposition"].startswith(
            'attachment; filename="hello.md"'
        )
        told = services.asked[-1].model_dump(mode="json", exclude={"owner_id", "session_id"})
        assert told == asked

    async def test_another_format_is_refused(self, client: httpx.AsyncClient) -> None:
        response = await client.get(f"/api/sessions/{SESSION_ID}/export?format=pdf")

        assert response.status_code == 400


class TestShare:
    @pytest.mark.parametrize("body", [None, {"expires_in_days": 7, "with_tools": False}])
    async def test_the_answer_holds_the_link(
        self, client: httpx.AsyncClient, services: FakeServices, body: Any
    ) -> None:
        made = chat.CreatedShare(
            id="shr_1",
            session_id=SESSION_ID,
            with_tools=True,
            with_reasoning=False,
            last_seq=4,
            created_at=AT,
            expires_at=AT,
            token=SecretStr(TOKEN),
        )
        services.answer(chat.SHARE_SESSION, made)

        response = await client.post(f"/api/sessions/{SESSION_ID}/share", json=body)

        assert response.status_code == 201, response.text
        assert response.json() == {
            **made.model_dump(mode="json", exclude={"token"}),
            "url": f"http://127.0.0.1:8000/shared/{TOKEN}",
        }
        asked = services.asked[-1]
        assert isinstance(asked, chat.ShareSession)
        assert asked.expires_in_days == (body or {"expires_in_days": 30})["expires_in_days"]

    @pytest.mark.parametrize("days", [0, 366])
    async def test_for_a_year_at_the_most(self, client: httpx.AsyncClient, days: int) -> None:
        response = await client.post(
            f"/api/sessions/{SESSION_ID}/share", json={"expires_in_days": days}
        )

        assert response.status_code == 400


class TestSharedAsJson:
    @pytest.mark.parametrize("accept", ["application/json", "*/*"])
    async def test_anybody_with_the_link_reads_it(
        self, client: httpx.AsyncClient, services: FakeServices, accept: str
    ) -> None:
        services.answer(chat.GET_SHARED, page())

        response = await client.get(f"/shared/{TOKEN}", headers={"Accept": accept})

        body = response.json()
        assert response.status_code == 200
        assert (body["title"], body["next_after"]) == ("What is in it?", None)
        assert body["entries"] == [one.model_dump(mode="json") for one in ENTRIES]
        assert body["receipt"]["image"] == "image-7"
        assert services.asked == [chat.GetShared(token_sha256=SHA256)]
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["x-robots-tag"] == "noindex"

    async def test_a_long_one_says_where_to_go_on(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.answer(chat.GET_SHARED, page(ENTRIES[:2], 2, more=True))

        body = (await client.get(f"/shared/{TOKEN}?after=1")).json()

        assert body["next_after"] == 2
        assert services.asked == [chat.GetShared(token_sha256=SHA256, after=1)]

    @pytest.mark.parametrize(
        ("error", "status", "code"),
        [
            (NotFoundError("no", code=ErrorCode.SHARE_NOT_FOUND), 404, "share_not_found"),
            (GoneError("over", code=ErrorCode.SHARE_ENDED), 410, "share_ended"),
        ],
    )
    async def test_one_that_is_over_is_said(
        self,
        client: httpx.AsyncClient,
        services: FakeServices,
        error: AppError,
        status: int,
        code: str,
    ) -> None:
        services.answer(chat.GET_SHARED, error)

        response = await client.get(f"/shared/{TOKEN}")
        shown = await client.get(f"/shared/{TOKEN}", headers={"Accept": "text/html"})

        assert (response.status_code, response.json()["code"]) == (status, code)
        assert (shown.status_code, shown.headers["content-type"]) == (
            status,
            "text/html; charset=utf-8",
        )


class TestSharedAsPage:
    async def test_it_reads_like_the_chat_and_acts_nowhere(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        pages = {0: page(ENTRIES[:2], 2, more=True), 2: page(ENTRIES[2:])}
        services.answer(chat.GET_SHARED, lambda request: pages[request.after])

        response = await client.get(f"/shared/{TOKEN}", headers={"Accept": "text/html"})

        html = response.text
        assert response.status_code == 200
        assert "<strong>Ahoy</strong>" in html
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
        assert "&lt;b&gt;42&lt;/b&gt;" in html
        assert "image-7" in html
        assert "<script" not in html
        assert "onerror" not in html.replace("&lt;img src=x onerror=alert(2)&gt;", "")
        assert "<form" not in html
        assert "script-src" not in response.headers["content-security-policy"]
        assert response.headers["referrer-policy"] == "no-referrer"
