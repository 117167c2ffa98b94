"""One sandbox a user: made once, theirs alone, still there after a restart."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from local_platform.instance import Instance
from local_platform.visitor import Visitor

HELLO = "examples/skills/hello"


def sandboxes(provider: httpx.Client, owner_id: str) -> list[dict[str, Any]]:
    """What the provider itself says it has for an owner."""
    listed: list[dict[str, Any]] = provider.get("/sandbox").raise_for_status().json()["items"]
    return [item for item in listed if owner_id in json.dumps(item["labels"])]


class TestCreate:
    def test_fifty_launches_at_once_make_one_sandbox(
        self, new_visitor: Callable[[], Visitor], provider: httpx.Client
    ) -> None:
        user = new_visitor()
        owner_id = user.get("/api/me")["owner_id"]

        with ThreadPoolExecutor(50) as pool:
            answers = list(
                pool.map(lambda _: user.http.post("/api/launches", json={"ref": HELLO}), range(50))
            )
        launches = {answer.json()["id"] for answer in answers}
        ended = [user.launched(HELLO)["state"] for _ in launches]

        assert {answer.status_code for answer in answers} == {202}
        assert set(ended) == {"ready"}
        assert len(sandboxes(provider, owner_id)) == 1

    def test_a_skill_that_does_not_exist_creates_nothing(
        self, new_visitor: Callable[[], Visitor], provider: httpx.Client
    ) -> None:
        user = new_visitor()

        answer = user.http.post("/api/launches", json={"ref": "examples/skills/nothing-here"})

        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status_code, answer.json()["code"]) == (404, "skill_not_found")
        assert user.get("/api/sandbox")["state"] == "absent"
        assert user.get("/api/trials")["trials"] == []
        assert sandboxes(provider, user.get("/api/me")["owner_id"]) == []


class TestOwners:
    def test_what_is_anothers_is_not_found(self, new_visitor: Callable[[], Visitor]) -> None:
        one, other = new_visitor(), new_visitor()
        launch = one.launched(HELLO)
        session = one.post("/api/sessions", launch_id=launch["id"])

        seen = [
            other.http.get(path).status_code
            for path in (
                f"/api/launches/{launch['id']}",
                f"/api/launches/{launch['id']}/events",
                f"/api/launches/{launch['id']}/receipt",
                f"/api/sessions/{session['id']}",
                f"/api/sessions/{session['id']}/events",
            )
        ]

        assert seen == [404] * 5
        assert other.get("/api/sessions")["sessions"] == []
        assert other.get("/api/sandbox")["state"] == "absent"

    def test_a_forged_token_is_refused(self, new_visitor: Callable[[], Visitor]) -> None:
        user = new_visitor()
        forged = user.token[:-4] + ("AAAA" if not user.token.endswith("AAAA") else "BBBB")

        answer = user.http.get("/api/me", headers={"Authorization": f"Bearer {forged}"})

        assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")


class TestStop:
    def test_an_open_session_is_told(self, new_visitor: Callable[[], Visitor]) -> None:
        user, other = new_visitor(), new_visitor()
        session = user.post("/api/sessions", launch_id=user.launched(HELLO)["id"])
        told: list[str] = []

        path = f"/api/sessions/{session['id']}/events"
        with user.http.stream("GET", path) as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith("retry:")
            assert other.http.post("/api/sandbox/stop").status_code == 404
            user.http.post("/api/sandbox/stop").raise_for_status()
            for line in lines:
                told += [line] if line else []
                if line.startswith("data:"):
                    break

        assert told == ["event: sandbox", 'data: {"state":"stopped","reason":"owner"}']
        assert user.get("/api/sandbox")["state"] == "stopped"


class TestRestart:
    def test_everything_is_there_after_the_platform_stopped_and_started(
        self, new_visitor: Callable[[], Visitor], platform: Instance
    ) -> None:
        user = new_visitor()
        done = user.try_skill(HELLO, "hello")
        before = (user.get("/api/sessions"), user.get("/api/trials"), user.get("/api/sandbox"))

        platform.down()
        platform.up()
        user.http.base_url = httpx.URL(platform.url)
        after = (user.get("/api/sessions"), user.get("/api/trials"), user.get("/api/sandbox"))
        again = user.try_skill(HELLO, "and again")

        assert done.returncode == 0, done.stdout + done.stderr
        assert after[:2] == before[:2]
        assert after[2]["skills"] == before[2]["skills"]
        assert again.returncode == 0, again.stdout + again.stderr
        assert user.get("/api/sandbox")["sandbox_id"] == before[2]["sandbox_id"]
