"""What the command line understands, and what it says of itself."""

from datetime import UTC, datetime, timedelta

import pytest
from operate.cli import parser

COMMANDS = (
    *("sandboxes", "balance", "restrictions", "audit", "block", "unblock", "drain", "resume"),
    *("republish", "events", "reader", "backup", "restore", "verify"),
)


class TestWords:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_command_has_a_help(
        self, command: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as ended:
            parser().parse_args([command, "--help"])

        assert ended.value.code == 0
        assert f"operate {command}" in capsys.readouterr().out

    def test_the_help_names_every_command_and_every_status(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            parser().parse_args(["--help"])

        told = capsys.readouterr().out
        assert [command for command in COMMANDS if command not in told] == []
        assert "3 done, and something is not as it should be" in told

    @pytest.mark.parametrize(
        "words",
        [
            [],
            ["destroy"],
            ["block", "acme/tools"],
            ["drain", "--reason", "x"],
            ["drain", "everybody", "--reason", "x", "--wait", "soon"],
            ["republish", "--since", "yesterday"],
            ["reader", "analytics"],
        ],
    )
    def test_what_is_asked_wrongly_is_status_2(self, words: list[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            parser().parse_args(words)

        assert ended.value.code == 2

    def test_a_user_without_a_name_is_the_operator(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def nameless() -> str:
            raise KeyError

        monkeypatch.setattr("getpass.getuser", nameless)

        assert parser().parse_args(["block", "a/b", "--reason", "x"]).by == "operator"

    def test_a_moment_is_utc_unless_it_says_otherwise(self) -> None:
        for text in ("2026-01-31T08:00", "2026-01-31T08:00Z", "2026-01-31T09:00+01:00"):
            asked = parser().parse_args(["republish", "--since", text])
            assert asked.since == datetime(2026, 1, 31, 8, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("text", "period"),
        [
            ("90s", timedelta(seconds=90)),
            ("10m", timedelta(minutes=10)),
            ("1h", timedelta(hours=1)),
        ],
    )
    def test_a_wait_has_a_unit(self, text: str, period: timedelta) -> None:
        words = ["drain", "everybody", "--reason", "x", "--wait", text]

        assert parser().parse_args(words).wait == period
