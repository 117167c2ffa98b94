"""A launch's journal as a person watches it."""

from typing import Any

from gateway.model.progress import Progress

AT = "2026-01-01T00:00:0{}.000Z"


def folded(*entries: dict[str, Any], usual: dict[str, dict[str, float]] | None = None) -> Progress:
    progress = Progress(usual=usual or {})
    for seq, entry in enumerate(entries, 1):
        progress.apply({"seq": seq, "at": AT.format(min(seq, 9)), **entry})
    return progress


PLANNED = {"type": "launch.planned", "path": "create"}
MADE = {"type": "phase.started", "phase": "create"}


class TestPhases:
    def test_what_a_path_usually_takes_is_still_to_come(self) -> None:
        progress = folded(PLANNED, MADE, usual={"create": {"create": 1.5, "agent": 2.0}})

        assert [(phase.name, phase.state, phase.usual) for phase in progress.phases] == [
            ("create", "running", 1.5),
            ("configure", "coming", None),
            ("agent", "coming", 2.0),
            ("upload", "coming", None),
            ("verify", "coming", None),
        ]

    def test_when_it_is_over_only_what_was_done_is_left(self) -> None:
        progress = folded(PLANNED, MADE, {"type": "launch.ended", "state": "ready", "path": None})

        assert [(phase.name, phase.state) for phase in progress.phases] == [("create", "done")]
        assert progress.took == 2.0

    def test_a_sandbox_that_sleeps_says_that_it_is_woken(self) -> None:
        progress = folded(
            {"type": "launch.planned", "path": "install"},
            {"type": "phase.started", "phase": "wake"},
        )

        assert "woken" in progress.path_words


class TestLog:
    def test_it_holds_the_last_lines_of_the_journal(self) -> None:
        progress = folded(*({"type": "notice", "text": f"line {n}"} for n in range(100)))

        assert len(progress.log) == 40
        assert progress.log[-1] == "00:00:09.000  notice line 99"

    def test_a_failed_phase_says_why(self) -> None:
        progress = folded(MADE, {"type": "phase.failed", "phase": "create", "detail": "no room"})

        assert progress.log[-1].endswith("phase.failed create no room")
        assert progress.phases[0].detail == "no room"

    def test_what_is_not_known_changes_nothing(self) -> None:
        assert folded({"type": "phase.paused"}).log == []
