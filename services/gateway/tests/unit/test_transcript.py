"""A journal folded into turns and parts."""

from typing import Any

from gateway.model.transcript import Part, Transcript

TURN = "tur_1"


def folded(*entries: dict[str, Any]) -> Transcript:
    transcript = Transcript()
    for number, entry in enumerate(entries, start=1):
        transcript.apply({"seq": number, "turn_id": TURN, **entry})
    return transcript


def parts(*entries: dict[str, Any]) -> list[Part]:
    return folded({"type": "turn.started", "text": "hi"}, *entries).turns[0].parts


class TestParts:
    def test_words_that_follow_each_other_are_one_part(self) -> None:
        found = parts(
            {"type": "reasoning", "text": "hm"},
            {"type": "text", "text": "a"},
            {"type": "text", "text": "b"},
        )

        assert [(part.kind, part.text) for part in found] == [("reasoning", "hm"), ("text", "ab")]
        assert [part.is_open for part in found] == [False, True]

    def test_a_tool_stands_between_the_texts_it_was_called_between(self) -> None:
        found = parts(
            {"type": "text", "text": "before"},
            {"type": "tool.started", "call_id": "c", "name": "terminal", "arguments": {"a": 1}},
            {"type": "text", "text": "after"},
            {"type": "tool.completed", "call_id": "c", "name": "", "result": "done"},
        )

        assert [part.kind for part in found] == ["text", "tool", "text"]
        tool = found[1].facts
        assert (tool["name"], tool["arguments"], tool["result"]) == ("terminal", {"a": 1}, "done")
        assert tool["is_done"]

    def test_two_calls_at_once_keep_apart(self) -> None:
        found = parts(
            {"type": "tool.started", "call_id": "a", "name": "x"},
            {"type": "tool.started", "call_id": "b", "name": "x"},
            {"type": "tool.completed", "call_id": "b", "error": True},
        )

        assert [part.facts["is_done"] for part in found] == [False, True]

    def test_a_completion_without_a_start_is_shown(self) -> None:
        found = parts({"type": "tool.completed", "call_id": "a", "name": "x", "recovered": True})

        assert found[0].facts["recovered"]

    def test_progress_keeps_its_last_lines(self) -> None:
        found = parts(
            {"type": "tool.started", "call_id": "a", "name": "x"},
            *({"type": "tool.progress", "call_id": "a", "text": str(n)} for n in range(50)),
        )

        assert found[0].facts["progress"] == [str(number) for number in range(30, 50)]

    def test_an_answer_that_starts_over_replaces_the_text_since_the_last_tool(self) -> None:
        found = parts(
            {"type": "text", "text": "stays"},
            {"type": "tool.started", "call_id": "a", "name": "x"},
            {"type": "text", "text": "goes"},
            {"type": "reasoning", "text": "hm"},
            {"type": "text", "text": "goes too"},
            {"type": "text.replaced", "text": "new"},
        )

        assert [part.text for part in found if part.kind == "text"] == ["stays", "new"]

    def test_an_approval_is_one_card_from_question_to_outcome(self) -> None:
        found = parts(
            {"type": "approval.requested", "approval_id": "a", "command": "rm x", "choices": []},
            {"type": "approval.resolved", "approval_id": "a", "choice": "deny", "state": "x"},
        )

        assert len(found) == 1
        assert (found[0].facts["command"], found[0].facts["choice"]) == ("rm x", "deny")


class TestTurns:
    def test_the_end_closes_what_was_open(self) -> None:
        transcript = folded(
            {"type": "turn.started", "text": "hi"},
            {"type": "text", "text": "a"},
            {"type": "usage", "total_tokens": 3},
            {"type": "turn.ended", "state": "failed", "error": {"code": "agent_lost"}},
        )

        turn = transcript.turns[0]
        assert (turn.state, turn.parts[0].is_open) == ("failed", False)
        assert (turn.error, turn.usage and turn.usage["total_tokens"]) == (
            {"code": "agent_lost"},
            3,
        )

    def test_what_a_newer_service_sends_is_let_pass(self) -> None:
        transcript = folded({"type": "turn.started", "text": "hi"}, {"type": "from.the.future"})

        assert transcript.last == 2
        assert transcript.turns[0].parts == []

    def test_entries_before_any_turn_are_let_pass(self) -> None:
        assert folded({"type": "text", "text": "a"}).turns == []
