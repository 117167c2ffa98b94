"""The commands besides `try`, against a platform that is scripted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tryskills import cli
from tryskills.client import Client
from tryskills.models import Download

Answers = dict[tuple[str, str], Any]


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Callable[..., tuple[int, str, list[httpx.Request]]]:
    """The exit status of a command, what it shows, and what it asked."""

    def go(answers: Answers, *words: str) -> tuple[int, str, list[httpx.Request]]:
        asked: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            found = answers[request.method, request.url.path]
            found = found(request) if callable(found) else found
            return found if isinstance(found, httpx.Response) else httpx.Response(200, json=found)

        def client(url: str, token: str | None) -> Client:
            return Client(url, token, httpx.MockTransport(answer))

        monkeypatch.setattr(cli, "Client", client)
        status = cli.main([*words, "--url", "http://x"])
        return status, capsysbinary.readouterr().out.decode(), asked

    return go


def file_of(content: bytes, name: str) -> httpx.Response:
    disposition = f"attachment; filename=\"x\"; filename*=UTF-8''{name}"
    return httpx.Response(200, content=content, headers={"Content-Disposition": disposition})


class TestDownload:
    @pytest.mark.parametrize(
        ("told", "name"),
        [
            ("my%20chat.md", "my chat.md"),
            ("..%2F..%2Fetc%2Fpasswd", "passwd"),
            ("..%5Cx", "x"),
            ("..", "download"),
            ("", "download"),
        ],
    )
    def test_only_a_plain_name_becomes_a_file_here(self, told: str, name: str) -> None:
        assert Download.read(f"attachment; filename*=UTF-8''{told}", b"").name == name


class TestExport:
    def test_it_is_saved_under_its_own_name(
        self, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        answers = {("GET", "/api/sessions/ses_1/export"): file_of(b"# Hi", "hi.md")}

        status, shown, asked = run(answers, "export", "ses_1")

        assert (status, (tmp_path / "hi.md").read_bytes()) == (0, b"# Hi")
        assert "hi.md" in shown
        assert dict(asked[0].url.params) == {"format": "md", "redact": "true"}

    def test_it_is_printed_for_a_pipe(self, run: Any) -> None:
        answers = {("GET", "/api/sessions/ses_1/export"): file_of(b"{}", "hi.json")}

        words = ("export", "ses_1", "--format", "json", "--no-redact", "--output", "-")
        status, shown, asked = run(answers, *words)

        assert (status, shown) == (0, "{}")
        assert dict(asked[0].url.params) == {"format": "json", "redact": "false"}


class TestShare:
    def test_the_link_is_shown(self, run: Any) -> None:
        made = {"url": "http://x/shared/t", "expires_at": "2026-02-01T00:00:00Z"}
        answers = {("POST", "/api/sessions/ses_1/share"): made}

        status, shown, asked = run(answers, "share", "ses_1", "--days", "7", "--no-tools")

        assert status == 0
        assert "http://x/shared/t" in shown
        assert "2026-02-01" in shown
        assert json.loads(asked[0].content) == {
            "expires_in_days": 7,
            "with_tools": False,
            "with_reasoning": False,
        }

    def test_links_are_ended(self, run: Any) -> None:
        answers = {("DELETE", "/api/sessions/ses_1/share"): httpx.Response(204)}

        assert run(answers, "share", "ses_1", "--end")[0] == 0


class TestFiles:
    PATH = "/api/sessions/ses_1/files"

    def test_they_are_listed(self, run: Any) -> None:
        entries = [
            {"path": "in", "is_directory": True, "size": 0},
            {"path": "in/a.txt", "is_directory": False, "size": 12},
        ]
        answers = {("GET", self.PATH): {"entries": entries, "is_cut": True}}

        _, shown, _ = run(answers, "files", "ses_1")

        assert shown == "         0  in/\n        12  in/a.txt\n... and more\n"

    def test_one_is_put_and_one_fetched(self, run: Any, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_bytes(b"hello")
        answers = {
            ("POST", self.PATH): {"files": [{"path": "a.txt"}]},
            ("GET", f"{self.PATH}/content"): file_of(b"world", "b.txt"),
        }
        target = str(tmp_path / "got")

        words = ("--put", str(tmp_path / "a.txt"), "--get", "b.txt", "--output", target)
        status, shown, asked = run(answers, "files", "ses_1", *words)

        assert status == 0
        assert b'filename="a.txt"' in asked[0].content
        assert b"hello" in asked[0].content
        assert Path(target).read_bytes() == b"world"
        assert "a.txt" in shown

    def test_a_file_that_is_not_there_is_said(self, run: Any) -> None:
        with pytest.raises(SystemExit) as refused:
            run({}, "files", "ses_1", "--put", "/nowhere/at/all")

        assert "cannot be read" in str(refused.value.code)


class TestUsage:
    def test_days_and_the_cap_are_shown(self, run: Any) -> None:
        report = {
            "days": [{"day": "2026-01-01", "calls": 2, "total_tokens": 34}],
            "cap": {"daily_tokens": 100, "used": 34},
        }
        answers = {("GET", "/api/usage"): report, ("PUT", "/api/usage/cap"): {}}

        status, shown, asked = run(answers, "usage", "--days", "3", "--cap", "100")

        assert status == 0
        assert "2026-01-01      2 calls         34 tokens" in shown
        assert "34 of 100" in shown
        assert json.loads(asked[0].content) == {"daily_tokens": 100}
        assert asked[1].url.params["days"] == "3"

    def test_a_cap_is_taken_away(self, run: Any) -> None:
        answers: Answers = {("GET", "/api/usage"): {}, ("PUT", "/api/usage/cap"): {}}

        _, shown, asked = run(answers, "usage", "--cap", "none")

        assert json.loads(asked[0].content) == {"daily_tokens": None}
        assert "any number" in shown


class TestSessions:
    def test_they_are_searched(self, run: Any) -> None:
        answers: Answers = {("GET", "/api/sessions"): {"sessions": []}}

        _, _, asked = run(answers, "sessions", "hello world")

        assert asked[0].url.params["q"] == "hello world"

    def test_all_of_them_are_shown(self, run: Any) -> None:
        pages = {
            None: {"sessions": [{"id": "ses_1", "title": "New"}], "next_cursor": "there"},
            "there": {"sessions": [{"id": "ses_2", "title": "Old"}], "next_cursor": None},
        }
        answers: Answers = {("GET", "/api/sessions"): lambda r: pages[r.url.params.get("cursor")]}

        _, shown, _ = run(answers, "sessions")

        assert [line.split()[0] for line in shown.splitlines()] == ["ses_1", "ses_2"]
