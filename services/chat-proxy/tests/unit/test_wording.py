"""What the agent means against what it streamed."""

from chat_proxy.model.wording import Append, Replace, Wording
from hypothesis import given
from hypothesis import strategies as st


def shown(changes: list[Append | Replace]) -> str:
    text = ""
    for change in changes:
        text = change.text if isinstance(change, Replace) else text + change.text
    return text


def streamed(wording: Wording, *pieces: str) -> list[Append | Replace]:
    changes: list[Append | Replace] = []
    for piece in pieces:
        replaced = wording.delta(piece)
        changes += [Append(piece)] if replaced is None else [Append(piece), replaced]
    return changes


class TestRestart:
    def test_a_model_that_starts_over_is_shown_once(self) -> None:
        wording = Wording()
        changes = streamed(wording, "Hello ", "from the")
        wording.call_started()
        changes += streamed(wording, "Hello ", "from ", "the ", "model.")

        assert shown(changes) == "Hello from the model."
        assert wording.finish("Hello from theHello from the model.") == []

    def test_a_model_that_goes_on_is_left_alone(self) -> None:
        wording = Wording()
        changes = streamed(wording, "Hello from the")
        wording.call_started()
        changes += streamed(wording, " model.")

        assert shown(changes) == "Hello from the model."
        assert not [change for change in changes if isinstance(change, Replace)]

    def test_several_restarts_leave_the_last(self) -> None:
        wording = Wording()
        changes = []
        for attempt in ("One two", "One", "One two three", "One two three four"):
            wording.call_started()
            changes += streamed(wording, attempt)

        assert shown(changes) == "One two three four"

    def test_the_call_after_a_tool_is_no_restart(self) -> None:
        wording = Wording()
        streamed(wording, "Looking.")
        wording.tool_started()
        wording.call_started()

        changes = streamed(wording, "Looking. Found.")

        assert shown(changes) == "Looking. Found."

    @given(st.text("ab ", min_size=4, max_size=30), st.integers(4, 30), st.text("ab ", max_size=9))
    def test_whatever_breaks_where_the_end_is_whole(
        self, answer: str, cut: int, ending: str
    ) -> None:
        whole = f"start {answer}{ending}."
        wording = Wording()
        changes = streamed(wording, *whole[: min(cut + 6, len(whole) - 1)])
        wording.call_started()
        changes += streamed(wording, *whole)

        assert shown(changes).strip() == whole


class TestFinish:
    def test_text_that_was_never_streamed_is_appended(self) -> None:
        wording = Wording()
        streamed(wording, "Done.")

        assert wording.finish("Done.\n\nFiles changed: 1") == [Append("\n\nFiles changed: 1")]

    def test_an_answer_without_a_stream_is_shown_whole(self) -> None:
        assert Wording().finish("All of it.") == [Append("All of it.")]

    def test_white_space_makes_no_difference(self) -> None:
        wording = Wording()
        streamed(wording, "\n\nOne  two")

        assert wording.finish("One two") == []

    def test_what_stood_before_a_tool_is_not_repeated(self) -> None:
        wording = Wording()
        streamed(wording, "All is well.")
        wording.tool_started()

        assert wording.finish("All is well.") == []

    def test_another_answer_replaces_the_stream(self) -> None:
        wording = Wording()
        streamed(wording, "I think 3.")

        assert [type(change) for change in wording.finish("It is 4.")] == [Replace]


class TestInterim:
    def test_a_streamed_piece_is_not_told_twice(self) -> None:
        wording = Wording()
        streamed(wording, "Let me look.")

        assert wording.interim("Let me look.", streamed=True) == []
        assert wording.interim("Let me look.", streamed=False) == []

    def test_one_that_was_not_streamed_is_told(self) -> None:
        assert Wording().interim("Let me look.", streamed=False) == [Append("Let me look.")]
