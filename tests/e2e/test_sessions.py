"""What a user does with a conversation beside talking; a stranger does not even see it."""

import io
import time
import zipfile
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest
from local_platform.visitor import Visitor
from pydantic import BaseModel

HELLO = "examples/skills/hello"
CAT = '[[tool:terminal {"command": "cat in/note.txt"}]] [[say:I read it.]]'


@pytest.fixture(scope="module")
def alice(new_visitor: Callable[[], Visitor]) -> Visitor:
    return new_visitor()


@pytest.fixture(scope="module")
def mallory(new_visitor: Callable[[], Visitor]) -> Visitor:
    return new_visitor()


@pytest.fixture(scope="module")
def session(alice: Visitor) -> str:
    """A conversation in which a file was put, attached and read."""
    launch = alice.launched(HELLO)
    session_id: str = alice.post("/api/sessions", launch_id=launch["id"])["id"]
    files = {"file": ("note.txt", b"remember the milk; TOKEN=abc123def456")}
    path = f"/api/sessions/{session_id}/files"
    alice.http.post(path, files=files, data={"path": "in"}).raise_for_status()
    alice.post(f"/api/sessions/{session_id}/turns", text=CAT, attachments=["in/note.txt"])
    ended = list(alice.entries(f"/api/sessions/{session_id}/events", until="turn.ended"))
    assert ended[-1]["state"] == "completed", ended[-1]
    return session_id


def extension(answer: BaseModel) -> dict[str, Any]:
    """What is told beside OpenAI's own fields; {} where nothing is."""
    found: dict[str, Any] = (answer.model_extra or {}).get("tryskills") or {}
    return found


class TestFiles:
    def test_they_are_listed_read_and_taken_as_a_zip(self, alice: Visitor, session: str) -> None:
        path = f"/api/sessions/{session}/files"

        listed = alice.get(path)["entries"]
        read = alice.http.get(f"{path}/content", params={"path": "in/note.txt"})
        archive = alice.http.get(f"/api/sessions/{session}/files.zip")

        assert [one["path"] for one in listed] == ["in", "in/note.txt"]
        assert read.text.startswith("remember the milk")
        assert zipfile.ZipFile(io.BytesIO(archive.content)).namelist() == ["in/note.txt"]

    def test_a_path_out_of_the_workspace_is_refused(self, alice: Visitor, session: str) -> None:
        path = f"/api/sessions/{session}/files/content"

        refused = alice.http.get(path, params={"path": "../../../etc/passwd"})

        assert (refused.status_code, refused.json()["code"]) == (400, "path_refused")

    def test_an_image_made_by_the_agent_is_shown_as_one(
        self, alice: Visitor, session: str
    ) -> None:
        dot = b"\x89PNG\r\n\x1a\n" + b"0" * 20
        path = f"/api/sessions/{session}/files"
        alice.http.post(path, files={"file": ("dot.html", dot)}).raise_for_status()

        shown = alice.http.get(f"{path}/content", params={"path": "dot.html"})

        assert shown.headers["content-type"] == "image/png"


class TestCopies:
    def test_an_export_holds_the_conversation_without_the_credential(
        self, alice: Visitor, session: str
    ) -> None:
        path = f"/api/sessions/{session}/export"

        markdown = alice.http.get(path).text
        document = alice.http.get(path, params={"format": "json", "redact": "false"}).json()

        assert "remember the milk" in markdown
        assert "TOKEN=[redacted]" in markdown
        assert "I read it." in markdown
        kinds = [entry["type"] for entry in document["turns"][0]["entries"]]
        assert kinds[0] == "turn.started"
        assert "tool.completed" in kinds
        assert "abc123def456" in str(document)

    def test_a_link_is_read_by_anybody_until_it_is_ended(
        self, alice: Visitor, session: str
    ) -> None:
        url = alice.post(f"/api/sessions/{session}/share", expires_in_days=1)["url"]

        shared = httpx.get(url, timeout=30)
        page = httpx.get(url, headers={"Accept": "text/html"}, timeout=30)
        alice.http.delete(f"/api/sessions/{session}/share").raise_for_status()
        ended = httpx.get(url, timeout=30)

        assert "remember the milk" in shared.text
        assert "abc123def456" not in shared.text + page.text
        assert shared.json()["receipt"]["signature"]
        assert "I read it." in page.text
        assert (ended.status_code, ended.json()["code"]) == (410, "share_ended")

    def test_it_is_found_by_its_words(self, alice: Visitor, session: str) -> None:
        found = alice.http.get("/api/sessions", params={"q": "read milk nothing"}).json()
        there = alice.http.get("/api/sessions", params={"q": "note read"}).json()

        assert found["sessions"] == []
        assert [one["id"] for one in there["sessions"]] == [session]


class TestUsage:
    def test_it_is_counted_by_turn_session_and_day(self, alice: Visitor, session: str) -> None:
        report = alice.get("/api/usage")

        [own] = [one for one in report["sessions"] if one["session_id"] == session]
        assert own["calls"] == 2
        assert own["estimated_tokens"] == 0
        assert report["cap"]["used"] >= own["total_tokens"] > 0

    def test_a_used_up_cap_refuses_the_next_turn(self, alice: Visitor, session: str) -> None:
        alice.http.put("/api/usage/cap", json={"daily_tokens": 1}).raise_for_status()

        refused = alice.http.post(f"/api/sessions/{session}/turns", json={"text": "more"})
        alice.http.put("/api/usage/cap", json={"daily_tokens": None}).raise_for_status()

        problem = refused.json()
        assert (refused.status_code, problem["code"]) == (429, "quota_exceeded")
        assert (problem["limit"], problem["value"]) == ("tokens_per_day", 1)
        assert problem["retry_at"]


class TestRawAgent:
    def test_the_own_agent_answers_whole_and_as_a_stream(
        self, alice: Visitor, session: str
    ) -> None:
        asked = {"messages": [{"role": "user", "content": "[[say:raw hello]]"}]}

        health = alice.post("/api/hermes", path="/health")
        whole = alice.post("/api/hermes", path="/v1/chat/completions", body=asked)
        stream = alice.http.post(
            "/api/hermes", json={"path": "/v1/chat/completions", "body": asked, "stream": True}
        )

        assert health["platform"] == "hermes-agent"
        assert whole["choices"][0]["message"]["content"] == "raw hello"
        assert stream.headers["content-type"] == "text/event-stream"
        assert stream.text.rstrip().endswith("data: [DONE]")
        assert alice.get("/api/sandbox")["in_use"] == 0

    def test_a_dangerous_command_is_not_run_and_nobody_is_asked(
        self, alice: Visitor, session: str
    ) -> None:
        ask = '[[tool:terminal {"command": "rm -rf ./doomed && echo it ran"}]] [[echo:tool]]'
        asked = {"messages": [{"role": "user", "content": ask}]}

        answer = alice.post("/api/hermes", path="/v1/chat/completions", body=asked)

        content = answer["choices"][0]["message"]["content"]
        assert "pending_approval" in content
        assert "it ran" not in content.replace("echo it ran", "")

    def test_no_other_address_is_asked(self, alice: Visitor, session: str) -> None:
        refused = alice.http.post(
            "/api/hermes", json={"path": "/health", "base_url": "http://127.0.0.1:8000"}
        )

        assert (refused.status_code, refused.json()["code"]) == (403, "foreign_endpoint")


class TestOpenAI:
    @pytest.fixture
    def ai(self, alice: Visitor) -> openai.OpenAI:
        """OpenAI's client, with a key that opens nothing but this."""
        key = alice.post("/api/tokens", name="a client", scope="openai")["value"]
        return openai.OpenAI(base_url=f"{alice.http.base_url}/v1", api_key=key)

    def test_a_conversation_goes_on_in_its_session(self, ai: openai.OpenAI) -> None:
        said: Any = [{"role": "user", "content": "[[say:My name is Ada.]]"}]
        first = ai.chat.completions.create(model=HELLO, messages=said)
        said += [
            {"role": "assistant", "content": first.choices[0].message.content},
            {"role": "user", "content": "[[say:Still here.]]"},
        ]

        stream = ai.chat.completions.create(model=HELLO, messages=said, stream=True)
        chunks = list(stream)

        text = "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)
        assert (first.choices[0].message.content, text) == ("My name is Ada.", "Still here.")
        assert first.usage is not None
        assert first.usage.total_tokens > 0
        [session] = [fact for one in chunks if (fact := extension(one)).get("type") == "session"]
        facts = extension(first)
        assert session["session_id"] == facts["session_id"]

    def test_a_dangerous_command_is_not_run_and_the_link_told(
        self, alice: Visitor, ai: openai.OpenAI
    ) -> None:
        ask = '[[tool:terminal {"command": "rm -rf ./doomed"}]] [[say:I tried.]]'

        done = ai.chat.completions.create(model=HELLO, messages=[{"role": "user", "content": ask}])

        content = done.choices[0].message.content or ""
        assert content.startswith("I tried.\n\n> Not run")
        facts = extension(done)
        assert facts["session_url"] in content
        assert alice.http.get(facts["session_url"]).status_code == 200

    def test_the_gate_is_not_passed_by(self, ai: openai.OpenAI) -> None:
        with pytest.raises(openai.NotFoundError) as refused:
            ai.chat.completions.create(
                model="local/examples/nothing-here", messages=[{"role": "user", "content": "x"}]
            )

        assert (refused.value.code, refused.value.param) == ("skill_not_found", "model")

    def test_a_client_that_goes_away_stops_its_turn(
        self, alice: Visitor, ai: openai.OpenAI
    ) -> None:
        stream = ai.chat.completions.create(
            model=HELLO,
            messages=[{"role": "user", "content": "[[tokens:2000]] [[rate:20]]"}],
            stream=True,
        )
        heard = [chunk for chunk, _ in zip(stream, range(12), strict=False)]
        facts = next(fact for one in heard if (fact := extension(one)))
        while facts.get("type") != "session":
            facts = extension(next(stream))
        stream.close()

        path = f"/api/sessions/{facts['session_id']}/turns/{facts['turn_id']}"
        deadline = time.monotonic() + 30
        while alice.get(path)["ended_at"] is None and time.monotonic() < deadline:
            time.sleep(0.1)
        assert alice.get(path)["state"] == "stopped"


class TestStranger:
    ROUTES = (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/events"),
        ("POST", "/turns"),
        ("GET", "/export"),
        ("POST", "/share"),
        ("GET", "/share"),
        ("DELETE", "/share"),
        ("GET", "/files"),
        ("GET", "/files/content?path=in/note.txt"),
        ("GET", "/files.zip"),
    )

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_the_session_is_not_there(
        self, mallory: Visitor, session: str, method: str, path: str
    ) -> None:
        body = {"PATCH": {"title": "mine"}, "POST": {"text": "mine"}}.get(method)
        body = {} if path == "/share" and method == "POST" else body

        refused = mallory.http.request(method, f"/api/sessions/{session}{path}", json=body)

        assert (refused.status_code, refused.json()["code"]) == (404, "session_not_found")

    def test_nothing_can_be_put_into_it(self, mallory: Visitor, session: str) -> None:
        files = {"file": ("x", b"x")}

        refused = mallory.http.post(f"/api/sessions/{session}/files", files=files)

        assert (refused.status_code, refused.json()["code"]) == (404, "session_not_found")

    def test_it_cannot_be_continued_over_openais_api(self, mallory: Visitor, session: str) -> None:
        ai = openai.OpenAI(base_url=f"{mallory.http.base_url}/v1", api_key=mallory.token)

        with pytest.raises(openai.NotFoundError) as refused:
            ai.chat.completions.create(
                model=HELLO,
                messages=[{"role": "user", "content": "x"}],
                metadata={"session_id": session},
            )

        assert refused.value.code == "session_not_found"

    def test_it_is_neither_listed_nor_counted(self, mallory: Visitor, session: str) -> None:
        assert session not in str(mallory.get("/api/sessions"))
        assert session not in str(mallory.get("/api/usage"))
