"""Each route of the API, as its document lists them, tried by somebody else."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from gateway.web.site import PAGES
from local_platform.visitor import Visitor
from security_kit.routes import OBJECTS, PUBLIC, Requests, Route, routes_of

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = json.loads((ROOT / "docs/openapi.json").read_text())
ROUTES = list(routes_of(DOCUMENT))
OF_OBJECTS = [route for route in ROUTES if route.objects]
ASK = '[[tool:terminal {"command": "rm -rf ./doomed"}]]'
NOBODYS = {
    "launch_id": "lau_" + "0" * 20,
    "session_id": "ses_" + "0" * 20,
    "turn_id": "tur_" + "0" * 20,
    "approval_id": "apr_" + "0" * 20,
    "token_id": "tok_" + "0" * 20,
}


@dataclass
class Holdings:
    """What one person has: one of each kind, the turn still waiting for an approval."""

    owner: Visitor
    ids: dict[str, str]

    def seen(self) -> dict[str, Any]:
        """All of it, as its owner sees it."""
        paths = (
            f"/api/launches/{self.ids['launch_id']}",
            f"/api/sessions/{self.ids['session_id']}",
            f"/api/sessions/{self.ids['session_id']}/turns/{self.ids['turn_id']}",
            "/api/tokens",
            "/api/keys",
            "/api/settings",
            "/api/trials",
        )
        return {path: self.owner.get(path) for path in paths}


@pytest.fixture(scope="module")
def held(new_visitor: Callable[[], Visitor]) -> Iterator[Holdings]:
    owner = new_visitor()
    launch = owner.launched("examples/skills/hello")
    session = owner.post("/api/sessions", launch_id=launch["id"])
    owner.http.put("/api/keys/OPENAI_API_KEY", json={"value": "sk-of-the-owner"})
    token = owner.post("/api/tokens", name="mine")
    path = f"/api/sessions/{session['id']}"
    turn = owner.post(f"{path}/turns", text=ASK)
    *_, asked = owner.entries(f"{path}/events", until="approval.requested")
    yield Holdings(
        owner,
        {
            "launch_id": launch["id"],
            "session_id": session["id"],
            "turn_id": turn["id"],
            "approval_id": asked["approval_id"],
            "token_id": token["id"],
        },
    )
    # It may have expired by now, which is as good.
    owner.http.post(f"{path}/approvals/{asked['approval_id']}", json={"choice": "deny"})


@pytest.fixture(scope="module")
def other(new_visitor: Callable[[], Visitor]) -> Visitor:
    """Somebody who has a sandbox and a session too."""
    visitor = new_visitor()
    launch = visitor.launched("examples/skills/hello")
    visitor.post("/api/sessions", launch_id=launch["id"])
    return visitor


def asked(http: httpx.Client, route: Route, ids: dict[str, str]) -> httpx.Response:
    """The answer; of one that streams, its beginning, since it would not end by itself."""
    requests = Requests(DOCUMENT, ids)
    request = http.build_request(route.method, requests.path(route), **requests.options(route))
    answer = http.send(request, stream=True)
    if not answer.headers.get("content-type", "").startswith("text/event-stream"):
        answer.read()
    answer.close()
    return answer


class TestDocument:
    def test_every_word_in_a_path_is_known(self) -> None:
        """A new kind of object must be added to OBJECTS, with one in `held`."""
        words = {word for route in ROUTES for word in route.words}

        assert words <= {*OBJECTS, *PUBLIC}
        assert len(OF_OBJECTS) >= 10


@pytest.mark.parametrize("route", OF_OBJECTS, ids=str)
class TestSomebodyElse:
    def test_it_is_not_found_and_nothing_hints_at_it(
        self, held: Holdings, other: Visitor, route: Route
    ) -> None:
        theirs = asked(other.http, route, held.ids)
        nobodys = asked(other.http, route, NOBODYS)

        assert theirs.status_code == 404, theirs.text
        assert (theirs.status_code, theirs.json()) == (nobodys.status_code, nobodys.json())

    def test_without_a_token_neither(
        self, held: Holdings, anonymous: httpx.Client, route: Route
    ) -> None:
        assert asked(anonymous, route, held.ids).status_code == 404

    def test_with_a_token_that_does_not_hold_nobody_is_asked(
        self, held: Holdings, anonymous: httpx.Client, route: Route
    ) -> None:
        anonymous.headers["Authorization"] = f"Bearer {held.owner.token[:-6]}AAAAAA"

        assert asked(anonymous, route, held.ids).status_code == 401


FORM = {"text": "x", "choice": "deny", "title": "x", "ref": "x", "key": "x"}
PAGE_ROUTES = [
    (method, route.path)
    for module in PAGES
    for route in module.router.routes
    if isinstance(route, APIRoute) and any(f"{{{word}}}" in route.path for word in OBJECTS)
    for method in sorted(route.methods or ())
]


class TestPages:
    """The pages' own routes, which the document does not list."""

    def test_there_are_some(self) -> None:
        assert len(PAGE_ROUTES) >= 8

    @pytest.mark.parametrize(("method", "path"), PAGE_ROUTES)
    def test_somebody_else_finds_nothing(
        self, held: Holdings, other: Visitor, method: str, path: str
    ) -> None:
        files = {"file": ("x.txt", b"x")} if path.endswith("/files") and method == "POST" else None
        answer = other.http.request(
            method, path.format(**held.ids), params={"path": "x"}, data=FORM, files=files
        )

        assert answer.status_code == 404
        assert not [id_ for id_ in held.ids.values() if id_ in answer.text]

    @pytest.mark.parametrize("word", ["launch_id", "session_id"])
    def test_an_id_in_an_address_neither(self, held: Holdings, other: Visitor, word: str) -> None:
        page = f"/local/examples/hello?{word.removesuffix('_id')}={held.ids[word]}"

        answer = other.http.get(page)

        assert answer.status_code == 404
        assert held.ids[word] not in answer.text


class TestBodies:
    def test_an_id_in_a_body_is_checked_too(self, held: Holdings, other: Visitor) -> None:
        naming = [
            route
            for route in ROUTES
            if not route.objects
            and any(f'"{word}"' in json.dumps(route.operation) for word in OBJECTS)
            and "requestBody" in route.operation
        ]
        naming += [route for route in ROUTES if str(route) == "POST /api/sessions"]

        answers = {str(route): asked(other.http, route, held.ids) for route in naming}

        assert answers
        assert {answer.status_code for answer in answers.values()} == {404}


class TestLists:
    def test_nothing_of_another_is_in_what_one_sees(self, held: Holdings, other: Visitor) -> None:
        own = [route for route in ROUTES if route.method == "get" and not route.words]

        answers = {
            str(route): asked(other.http, route, {"ref": "examples/skills/hello"}).text
            for route in own
            if not route.path.endswith("/events")
        }

        wanted = [*held.ids.values(), held.owner.get("/api/me")["owner_id"], "sk-of-the-owner"]
        assert len(answers) >= 8
        assert not [(name, id_) for name, text in answers.items() for id_ in wanted if id_ in text]

    def test_a_key_of_the_same_name_is_ones_own(self, held: Holdings, other: Visitor) -> None:
        other.http.put("/api/keys/OPENAI_API_KEY", json={"value": "sk-of-the-other"})
        other.http.delete("/api/keys/OPENAI_API_KEY").raise_for_status()

        stored = held.owner.get("/api/keys")["secrets"]
        assert [key["last_four"] for key in stored] == ["wner"]


class TestAfterwards:
    def test_all_is_as_it_was(self, held: Holdings, other: Visitor) -> None:
        before = held.seen()
        for route in OF_OBJECTS:
            asked(other.http, route, held.ids)

        turn = before[f"/api/sessions/{held.ids['session_id']}/turns/{held.ids['turn_id']}"]
        assert held.seen() == before
        assert turn["state"] in {"running", "pending"}
