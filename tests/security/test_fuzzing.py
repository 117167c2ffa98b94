"""Schemathesis over the OpenAPI document: one person asks everything, while another has things."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from local_platform.instance import ROOT, Instance
from local_platform.visitor import Visitor
from security_kit.scanning import Stores, search

PROGRAM = ROOT / ".local/security/bin/schemathesis"
WITHIN_S = 100
CASES = 40
MARK = "something-only-the-victim-said"
LEFT_OUT = ("DELETE /api/me", "DELETE /api/sandbox", "POST /api/sandbox/stop")
"""They would end what the other routes need."""

Exchanges = list[dict[str, Any]]


@pytest.fixture(scope="module")
def victim(new_visitor: Callable[[], Visitor]) -> dict[str, str]:
    """The ids of what somebody else has, with words of theirs."""
    user = new_visitor()
    launch = user.launched("examples/skills/hello")
    session = user.post("/api/sessions", launch_id=launch["id"])
    path = f"/api/sessions/{session['id']}"
    turn = user.post(f"{path}/turns", text=f"[[say:{MARK}]]")
    list(user.entries(f"{path}/events", until="turn.ended"))
    return {
        "owner": user.get("/api/me")["owner_id"],
        "launch": launch["id"],
        "session": session["id"],
        "turn": turn["id"],
        "words": MARK,
    }


@pytest.fixture(scope="module")
def exchanges(
    platform: Instance,
    victim: dict[str, str],
    new_visitor: Callable[[], Visitor],
    tmp_path_factory: pytest.TempPathFactory,
) -> Exchanges:
    """Every request of the run with its answer."""
    if not PROGRAM.exists():
        pytest.skip("schemathesis is not installed: make security installs it")
    report = tmp_path_factory.mktemp("fuzzing") / "all.har"
    command = [str(PROGRAM), "run", f"{platform.url}/openapi.json", "--seed", "1"]
    command += ["--header", f"Authorization: Bearer {new_visitor().token}"]
    command += ["--checks", "not_a_server_error", "--continue-on-failure", "--no-shrink"]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(CASES)]
    command += ["--max-time", str(WITHIN_S), "--suppress-health-check", "all"]
    command += ["--report", "har", "--report-har-path", str(report), "--output-sanitize", "false"]
    # A stream of events ends when its client goes, and so never by itself.
    command += ["--exclude-path-regex", "/events$", "--request-timeout", "60"]
    for name in LEFT_OUT:
        command += ["--exclude-name", name]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=WITHIN_S * 3,
        check=False,
        cwd=report.parent,
    )
    assert report.exists(), done.stdout + done.stderr
    found: Exchanges = json.loads(report.read_text())["log"]["entries"]
    return found


def told(exchange: dict[str, Any]) -> str:
    asked, answered = exchange["request"], exchange["response"]
    return f"{asked['method']} {asked['url']} -> {answered['status']}"


class TestFuzzing:
    def test_many_requests_reached_every_route(self, exchanges: Exchanges) -> None:
        document = json.loads((ROOT / "docs/openapi.json").read_text())
        statuses = {exchange["response"]["status"] for exchange in exchanges}

        assert len(exchanges) > 10 * len(document["paths"])
        assert {200, 400, 404} <= statuses

    def test_no_answer_is_a_server_error(self, exchanges: Exchanges) -> None:
        # 503 is an answer too: of a limit, or of a service that was told to be patient.
        bad = [told(one) for one in exchanges if one["response"]["status"] in {500, 501, 502, 504}]

        assert bad == []

    def test_no_answer_holds_anything_of_another_person(
        self, exchanges: Exchanges, victim: dict[str, str]
    ) -> None:
        answers = [(told(one), json.dumps(one["response"])) for one in exchanges]

        assert search(answers, victim) == []

    def test_no_service_met_a_bug(self, exchanges: Exchanges, stores: Stores) -> None:
        bugs = {"a bug": "Traceback (most recent call last)", "a refusal": "ermissions violation"}

        assert len(exchanges) > 0
        assert search(stores.logs(), bugs) == []
