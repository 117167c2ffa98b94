"""A newcomer tries skills: by the command line, with the real Hermes in a real sandbox."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from local_platform.visitor import Visitor

HELLO = "examples/skills/hello"
WORD_COUNT = "examples/skills/word-count"


@pytest.fixture(scope="module")
def user(new_visitor: Callable[[], Visitor]) -> Visitor:
    return new_visitor()


def spoken(user: Visitor, session_id: str, text: str) -> list[dict[str, Any]]:
    """The entries of one more turn."""
    before = user.get(f"/api/sessions/{session_id}")["last_seq"]
    user.post(f"/api/sessions/{session_id}/turns", text=text)
    events = f"/api/sessions/{session_id}/events"
    return list(user.entries(events, until="turn.ended", after=before))


class TestTry:
    def test_the_first_skill_makes_a_sandbox_and_is_used(self, user: Visitor) -> None:
        done = user.try_skill(HELLO, "hello")

        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(r"^Launch +create$", done.stdout, re.M)
        assert re.search(r"^ +create +\d", done.stdout, re.M)
        assert re.search(r"^\[tool\] .*local--examples--hello", done.stdout, re.M)
        assert "Skill Harbour" in done.stdout

    def test_the_same_skill_again_is_instant(self, user: Visitor) -> None:
        done = user.try_skill(HELLO, "hello again")

        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(r"^Launch +instant$", done.stdout, re.M)

    def test_another_skill_is_installed_and_its_script_runs(self, user: Visitor) -> None:
        done = user.try_skill(WORD_COUNT, "one two three")

        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(r"^Launch +install$", done.stdout, re.M)
        assert "words: 3" in done.stdout

    def test_the_turn_names_the_digest_that_was_loaded(self, user: Visitor) -> None:
        launch = user.launched(HELLO)
        session = user.post("/api/sessions", launch_id=launch["id"])

        entries = spoken(user, session["id"], "hello")
        turn = user.get(f"/api/sessions/{session['id']}/turns/{entries[0]['turn_id']}")

        resolved = user.http.get("/api/skills/resolve", params={"ref": HELLO}).json()
        assert turn["state"] == "completed"
        assert turn["skill_digest"] == resolved["digest"] == launch["skill"]["digest"]

    def test_a_dangerous_command_runs_only_after_the_answer(self, user: Visitor) -> None:
        ask = '[[tool:terminal {"command": "rm -rf ./doomed && echo gone-for-good"}]]'

        denied = user.try_skill(HELLO, ask, "--approve", "deny")
        allowed = user.try_skill(HELLO, ask, "--approve", "once")

        assert "rm -rf ./doomed" in denied.stdout
        assert (denied.returncode, allowed.returncode) == (0, 0)

    def test_a_key_that_the_provider_refuses_is_a_failure(self, user: Visitor) -> None:
        done = user.try_skill(HELLO, "[[error:401]]")

        assert done.returncode == 1
        assert "provider_auth" in done.stdout + done.stderr


class TestJournal:
    def test_a_stream_cut_anywhere_resumes_by_number(self, user: Visitor) -> None:
        launch = user.launched(HELLO)
        session = user.post("/api/sessions", launch_id=launch["id"])
        events = f"/api/sessions/{session['id']}/events"
        user.post(f"/api/sessions/{session['id']}/turns", text="[[tokens:300]] [[rate:200]]")

        seen, after = [], 0
        for cut in (3, 7, 20):
            for entry in user.entries(events, until="turn.ended", after=after):
                seen.append(entry)
                after = entry["seq"]
                if len(seen) >= cut:
                    break
        seen += user.entries(events, until="turn.ended", after=after)
        whole = list(user.entries(events, until="turn.ended"))

        assert numbers(seen) == numbers(whole) == list(range(1, whole[-1]["seq"] + 1))
        assert text(seen) == text(whole)
        assert text(whole).split() == [f"w{number}" for number in range(300)]


def numbers(entries: list[dict[str, Any]]) -> list[int]:
    return [
        number
        for entry in entries
        for number in range(entry.get("seq_from") or entry["seq"], entry["seq"] + 1)
    ]


def text(entries: list[dict[str, Any]]) -> str:
    return "".join(entry["text"] for entry in entries if entry["type"] == "text")
