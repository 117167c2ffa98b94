"""Operators and other teams on a running platform: what is blocked, drained, listed and told."""

import json
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from common.contracts.events import EVENTS
from local_platform.instance import Finished, Instance
from local_platform.visitor import Visitor

HELLO = "examples/skills/hello"
REPOSITORY = "local/examples"
CONSUMER = Path("examples/consumer/consumer.py")
WHY = ("--reason", "a test says so", "--by", "ann")
WITHIN_S = 30


@pytest.fixture
def user(new_visitor: Callable[[], Visitor]) -> Visitor:
    return new_visitor()


@pytest.fixture
def operate(platform: Instance) -> Callable[..., Finished]:
    """`python -m operate` with the environment that `make up` writes down."""

    def run(*words: str) -> Finished:
        return environed(platform, "operator").run(sys.executable, "-m", "operate", *words)

    return run


def environed(platform: Instance, name: str) -> Instance:
    text = (platform.directory / f"env/{name}.env").read_text()
    variables = dict(re.findall(r"^export (\w+)='?([^'\n]*)'?$", text, re.M))
    return Instance(platform.directory, platform.environment | variables)


@contextmanager
def lifted(operate: Callable[..., Finished], word: str, what: str) -> Iterator[None]:
    """Whatever happens, the next test finds the platform open."""
    try:
        yield
    finally:
        operate(word, what, *WHY)


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


class TestBlock:
    @pytest.mark.parametrize("by", ["digest", "repository"])
    def test_no_way_in_is_left(
        self, user: Visitor, operate: Callable[..., Finished], by: str
    ) -> None:
        launch = user.launched(HELLO)
        session = user.post("/api/sessions", launch_id=launch["id"])
        what = launch["skill"]["digest"] if by == "digest" else REPOSITORY.upper()

        with lifted(operate, "unblock", what):
            done = operate("block", what, *WHY)

            assert done.returncode == 0, done.stderr
            assert f"of {user.get('/api/me')['owner_id']}" in done.stdout
            again = user.http.post("/api/launches", json={"ref": HELLO})
            assert code(again) == (403, "skill_blocked")
            assert "a test says so" in again.json()["detail"]
            pinned = {"ref": HELLO, "digest": launch["skill"]["digest"]}
            pinned["report_ack"] = pinned["digest"]
            assert code(user.http.post("/api/launches", json=pinned)) == (403, "skill_blocked")
            assert ended(user, session["id"])["error"]["code"] == "skill_blocked"
            asked = {"model": "local/examples/hello", "messages": MESSAGES}
            assert user.http.post("/v1/chat/completions", json=asked).status_code == 403

        assert user.launched(HELLO)["state"] == "ready"
        assert ended(user, session["id"])["state"] == "completed"

    def test_a_running_turn_of_it_ends(
        self, user: Visitor, operate: Callable[..., Finished]
    ) -> None:
        session = user.post("/api/sessions", launch_id=user.launched(HELLO)["id"])
        events = f"/api/sessions/{session['id']}/events"
        user.post(f"/api/sessions/{session['id']}/turns", text="[[tokens:3000]] [[rate:30]]")
        next(user.entries(events, until="text"))

        with lifted(operate, "unblock", REPOSITORY):
            operate("block", REPOSITORY, *WHY)
            last = list(user.entries(events, until="turn.ended"))[-1]

        assert (last["state"], last["error"]["code"]) == ("failed", "skill_blocked")


MESSAGES = [{"role": "user", "content": "hello"}]


def ended(user: Visitor, session_id: str) -> dict[str, Any]:
    """The last entry of one more turn."""
    before = user.get(f"/api/sessions/{session_id}")["last_seq"]
    user.post(f"/api/sessions/{session_id}/turns", text="hello")
    events = f"/api/sessions/{session_id}/events"
    return list(user.entries(events, until="turn.ended", after=before))[-1]


class TestDrain:
    def test_nothing_new_begins_and_what_runs_is_waited_for(
        self, user: Visitor, operate: Callable[..., Finished]
    ) -> None:
        session = user.post("/api/sessions", launch_id=user.launched(HELLO)["id"])
        user.post(f"/api/sessions/{session['id']}/turns", text="[[tokens:120]] [[rate:30]]")
        next(user.entries(f"/api/sessions/{session['id']}/events", until="text"))

        with lifted(operate, "resume", "everybody"):
            short = operate("drain", "everybody", "--wait", "1s", *WHY)
            refused = user.http.post("/api/launches", json={"ref": HELLO})
            done = operate("drain", "everybody", "--wait", "30s", *WHY)
            turn = list(user.entries(f"/api/sessions/{session['id']}/events", until="turn.ended"))
            began, next_turn = time.monotonic(), ended(user, session["id"])
            took_s = time.monotonic() - began

        assert short.returncode == 3
        assert "something still runs" in short.stderr
        assert code(refused) == (503, "draining")
        assert refused.json()["retry_at"]
        assert refused.headers["retry-after"]
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "0 launches and 0 turns run"
        assert turn[-1]["state"] == "completed"
        assert (next_turn["state"], next_turn["error"]["code"]) == ("failed", "draining")
        assert took_s < 10
        assert user.launched(HELLO)["state"] == "ready"

    def test_one_owner_alone(
        self, new_visitor: Callable[[], Visitor], operate: Callable[..., Finished]
    ) -> None:
        one, other = new_visitor(), new_visitor()
        owner = one.get("/api/me")["owner_id"]

        with lifted(operate, "resume", owner):
            assert operate("drain", owner, *WHY).returncode == 0

            assert code(one.http.post("/api/launches", json={"ref": HELLO})) == (503, "draining")
            assert other.launched(HELLO)["state"] == "ready"


class TestLooking:
    def test_sandboxes_balance_restrictions_and_audit(
        self, user: Visitor, operate: Callable[..., Finished]
    ) -> None:
        user.launched(HELLO)
        owner = user.get("/api/me")["owner_id"]

        listed = operate("sandboxes", "--owner", owner, "--skill", REPOSITORY, "--json")
        balance = operate("balance")
        operate("block", "acme/tools", *WHY)
        restrictions = operate("restrictions")
        operate("unblock", "acme/tools", *WHY)
        audit = operate("audit", "--limit", "2")

        (line,) = (json.loads(text) for text in listed.stdout.splitlines())
        assert (line["owner_id"], line["state"]) == (owner, "active")
        assert line["skills"] == ["local/examples/hello"]
        assert balance.returncode == 0
        assert re.search(r"^billed (\d+) = recorded \1 \+ explained 0", balance.stdout, re.M)
        assert "blocked acme/tools" in restrictions.stdout
        newest, before = audit.stdout.splitlines()
        assert newest.endswith("ann: unblock acme/tools: a test says so")
        assert before.endswith("ann: block acme/tools: a test says so")

    @pytest.mark.parametrize(
        ("words", "status", "told"),
        [
            (("unblock", "acme/nothing", *WHY), 1, "not restricted (not_found)"),
            (("block", "no skill", *WHY), 1, "neither a digest"),
            (("drain", "somebody", *WHY), 1, "owner_id"),
            (("block", "acme/tools"), 2, "--reason"),
        ],
    )
    def test_what_cannot_be_done_is_said(
        self,
        operate: Callable[..., Finished],
        words: tuple[str, ...],
        status: int,
        told: str,
    ) -> None:
        done = operate(*words)

        assert done.returncode == status
        assert told in done.stderr


class TestConsumer:
    def test_the_example_goes_on_where_it_was_killed_and_counts_nothing_twice(
        self, platform: Instance, user: Visitor, tmp_path: Path
    ) -> None:
        database = tmp_path / "launches.db"
        with consuming(platform, database):
            first = user.launched(HELLO)
            until(lambda: states(database).get(first["id"]) == "ready")
        second = user.launched(HELLO)
        with consuming(platform, database):
            until(lambda: states(database).get(second["id"]) == "ready")
            known = states(database)

        mine = {launch["launch_id"] for launch in user.get("/api/trials")["trials"]}
        assert {launch for launch in known if launch in mine} == {first["id"], second["id"]}

    def test_told_again_nothing_changes(
        self,
        platform: Instance,
        user: Visitor,
        operate: Callable[..., Finished],
        tmp_path: Path,
    ) -> None:
        database = tmp_path / "launches.db"
        launch = user.launched(HELLO)
        with consuming(platform, database):
            until(lambda: states(database).get(launch["id"]) == "ready")
            told = operate("republish", "--since", "2000-01-01")
            before = states(database)
            time.sleep(2)

            assert states(database) == before
        assert told.returncode == 0, told.stderr
        assert re.search(r"told again|has them already", told.stdout)

    def test_what_the_archive_prints_is_what_the_kit_replays(
        self, operate: Callable[..., Finished], user: Visitor, tmp_path: Path
    ) -> None:
        user.launched(HELLO)
        until(lambda: "launch.ended.v1" in operate("events", "--since", "2000-01-01").stdout)
        recorded = tmp_path / "events.jsonl"
        recorded.write_text(operate("events", "--since", "2000-01-01").stdout)

        done = operate_kit(recorded)

        assert done.returncode == 0, done.stdout + done.stderr
        assert "it bears them" in done.stdout

    def test_the_gateway_serves_the_documents(self, user: Visitor) -> None:
        document = user.get("/asyncapi.json")

        assert len(document["channels"]) == len(EVENTS)
        for name in document["channels"]:
            assert user.get(f"/schemas/{name}.json")["$id"].endswith(name)


@contextmanager
def consuming(platform: Instance, database: Path) -> Iterator[None]:
    """The example runs; then it is killed without a word."""
    instance = environed(platform, "events-reader")
    command = [sys.executable, str(CONSUMER), str(database)]
    with subprocess.Popen(command, env=instance.environment, stdout=subprocess.DEVNULL) as process:
        try:
            until(database.exists)
            yield
        finally:
            process.kill()


def states(database: Path) -> dict[str, str]:
    with sqlite3.connect(database) as connection:
        found = dict(connection.execute("SELECT id, state FROM launches"))
    connection.close()
    return found


def operate_kit(recorded: Path) -> Finished:
    command = ["-m", "common.contracts", "verify", "examples.consumer.consumer:replay"]
    return subprocess.run(
        [sys.executable, *command, "--events", str(recorded)],
        capture_output=True,
        text=True,
        check=False,
    )


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline, "not within half a minute"
        time.sleep(0.2)
