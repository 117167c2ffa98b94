"""What the contract kit finds out about consumers, each named after its fault."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from common.contracts.__main__ import main, recorded
from common.contracts.events import EVENTS as ALL_EVENTS
from common.contracts.events import OWNER_CREATED
from common.contracts.kit import Consumer, ConsumerError, Finding, verify

EVENTS = [event for event in recorded() if event["type"].startswith("launch.")]
Events = Sequence[dict[str, Any]]


def newest(events: Events) -> dict[str, str]:
    """Bears everything: the newest event of a launch wins."""
    times: dict[str, str] = {}
    states: dict[str, str] = {}
    for event in events:
        key = event["subject"]
        if key.startswith("lau_") and event["time"] > times.get(key, ""):
            times[key], states[key] = event["time"], event["data"].get("state", "")
    return states


async def newest_later(events: Events) -> dict[str, str]:
    return newest(events)


def counts_twice(events: Events) -> int:
    return len(events)


def last_one_wins(events: Events) -> dict[str, str]:
    return {event["subject"]: event["data"]["state"] for event in events}


def counts_each_once(events: Events) -> int:
    return len({event["id"] for event in events})


def refuses_news(events: Events) -> int:
    known = {"launch.requested.v1", "launch.ended.v1"}
    if any(event["type"] not in known for event in events):
        message = "what is this?"
        raise ValueError(message)
    return 0


def never_starts_anew() -> Callable[[Events], int]:
    seen: list[Any] = []

    def consumer(events: Events) -> int:
        seen.extend(events)
        return len(seen)

    return consumer


def failed(consumer: Consumer) -> list[str]:
    return [finding.promise for finding in findings(consumer) if not finding.is_held]


def findings(consumer: Consumer) -> list[Finding]:
    return list(verify(consumer, EVENTS, shuffles=5, seed=1))


class TestVerify:
    @pytest.mark.parametrize("consumer", [newest, counts_each_once])
    def test_a_good_consumer_bears_everything(self, consumer: Consumer) -> None:
        assert len(findings(consumer)) == 5
        assert failed(consumer) == []

    def test_counting_twice_is_found_and_the_event_named(self) -> None:
        told = {finding.promise: finding for finding in findings(counts_twice)}

        twice = told["the same event twice changes nothing"]
        assert not twice.is_held
        assert f"event 1, {EVENTS[0]['type']} of {EVENTS[0]['subject']}" in twice.detail
        assert told["another order changes nothing"].is_held

    def test_believing_in_an_order_is_found(self) -> None:
        assert "another order changes nothing" in failed(last_one_wins)

    def test_refusing_what_is_new_is_found(self) -> None:
        assert failed(refuses_news) == ["unknown fields and unknown types are borne"]

    def test_a_consumer_that_keeps_something_from_before_is_found(self) -> None:
        assert "it can start anew" in failed(never_starts_anew())

    def test_one_that_fails_on_the_events_as_they_came_is_no_consumer(self) -> None:
        def broken(events: Events) -> None:
            raise KeyError(events[0]["id"])

        with pytest.raises(ConsumerError, match="KeyError"):
            findings(broken)

    def test_it_cannot_spoil_the_events_for_the_next_run(self) -> None:
        def spoils(events: list[dict[str, Any]]) -> int:
            found = len(events)
            for event in events:
                event.clear()
            return found and 1

        assert failed(spoils) == []


class TestCommand:
    @pytest.fixture(autouse=True)
    def _here(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "consumers", sys.modules[__name__])

    def test_a_good_function_is_status_0(self, capsys: pytest.CaptureFixture[str]) -> None:
        arguments = ["--type", "launch.requested.v1", "--type", "launch.ended.v1"]

        assert main(["verify", "consumers:newest", *arguments]) == 0
        assert main(["verify", "consumers:newest_later", *arguments]) == 0
        assert "it bears them" in capsys.readouterr().out

    def test_a_bad_one_is_status_1(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["verify", "consumers:counts_twice", "--shuffles", "2"]) == 1
        assert "FAILED the same event twice changes nothing" in capsys.readouterr().out

    def test_none_is_status_2(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["verify", "consumers:nobody"]) == 2
        assert "cannot be imported" in capsys.readouterr().err

    def test_a_program_is_given_the_events_as_lines(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        program = tmp_path / "consumer.py"
        program.write_text(
            "import json, os, pathlib, sys\n"
            "kept = pathlib.Path(os.environ['CONSUMER_STATE']) / 'ids'\n"
            "kept.write_text('\\n'.join(sorted({json.loads(line)['id'] for line in sys.stdin})))\n"
            "print(kept.read_text())\n"
        )
        few = tmp_path / "few.jsonl"
        few.write_text("".join(json.dumps(event) + "\n" for event in EVENTS[:2]))
        given = ["verify", "--events", str(few), "--shuffles", "1", "--", sys.executable]

        assert main([*given, str(program)]) == 0
        assert main([*given, "-c", "import sys; print(len(sys.stdin.readlines()))"]) == 1
        assert main([*given, "-c", "import sys; sys.exit('no')"]) == 2
        assert "exit status 1: no" in capsys.readouterr().err


class TestCheck:
    """What `make docs` asks before it writes, and the build each time."""

    @pytest.fixture
    def published(self, tmp_path: Path) -> Path:
        for event in ALL_EVENTS:
            (tmp_path / f"{event.type}.json").write_text(json.dumps(event.schema()))
        return tmp_path

    def test_what_is_published_is_what_the_code_says(self, published: Path) -> None:
        assert main(["check", str(published)]) == 0

    def test_a_field_that_the_code_no_longer_has_is_status_1(
        self, published: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        schema = OWNER_CREATED.schema()
        schema["properties"]["e_mail"] = {"type": "string"}
        (published / f"{OWNER_CREATED.type}.json").write_text(json.dumps(schema))

        assert main(["check", str(published)]) == 1
        told = capsys.readouterr().err
        assert "owner.created.v1.e_mail: removed field" in told
        assert "make it a new version" in told

    def test_an_event_that_is_gone_is_status_1(self, published: Path) -> None:
        (published / "owner.renamed.v1.json").write_text("{}")

        assert main(["check", str(published)]) == 1
