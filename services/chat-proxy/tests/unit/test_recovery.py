"""What happened while nobody listened is put back in order."""

from dataclasses import replace

from chat_proxy.model.agent import (
    Standing,
    TextDelta,
    ToolCall,
    ToolEnd,
    ToolStart,
    TranscriptMessage,
)
from chat_proxy.model.recovery import catch_up, is_ours, steps_after, whole_text
from chat_proxy.model.turn import Turn

IDLE = Standing(running=False)
STEPS = [
    TranscriptMessage(
        "assistant", "First.", calls=(ToolCall("c1", "terminal", {"command": "a"}),)
    ),
    TranscriptMessage("tool", "one", call_id="c1", name="terminal"),
    TranscriptMessage("assistant", "", calls=(ToolCall("c2", "read_file", {"path": "b"}),)),
    TranscriptMessage("tool", "two", call_id="c2", name="read_file"),
    TranscriptMessage("assistant", "The end.", finish="stop"),
]
WHOLE = "First.\n\nThe end."


class TestCatchUp:
    def test_from_nothing_everything_is_told_in_order(self) -> None:
        caught = catch_up("", set(), set(), STEPS, IDLE)

        assert list(caught.events) == [
            TextDelta("First."),
            ToolStart("c1", "terminal", arguments={"command": "a"}),
            ToolEnd("c1", "terminal", result="one"),
            ToolStart("c2", "read_file", arguments={"path": "b"}),
            ToolEnd("c2", "read_file", result="two"),
            TextDelta("\n\nThe end."),
        ]

    def test_what_was_told_is_not_told_again(self) -> None:
        caught = catch_up("First.\n\nThe", {"c1", "c2"}, {"c1"}, STEPS, IDLE)

        assert list(caught.events) == [
            ToolEnd("c2", "read_file", result="two"),
            TextDelta(" end."),
        ]

    def test_white_space_that_the_record_does_not_keep_loses_nothing(self) -> None:
        steps = [replace(STEPS[0], text="First: the middle."), *STEPS[1:]]

        in_the_middle = catch_up("\nFirst: \n", set(), set(), steps, IDLE)
        before_the_tool = catch_up("First: the middle. \n", set(), set(), steps, IDLE)

        assert in_the_middle.restated is None
        assert in_the_middle.events[0] == TextDelta("the middle.")
        assert before_the_tool.restated is None
        assert before_the_tool.events[0] == ToolStart("c1", "terminal", arguments={"command": "a"})
        assert before_the_tool.events[-1] == TextDelta("\n\nThe end.")

    def test_nothing_is_missing(self) -> None:
        caught = catch_up(WHOLE, {"c1", "c2"}, {"c1", "c2"}, STEPS, IDLE)

        assert caught.events == ()
        assert caught.restated is None

    def test_the_running_text_follows_the_finished_steps(self) -> None:
        standing = Standing(running=True, prompt="go", text="First.\n\nThe e")

        caught = catch_up("Fir", set(), set(), STEPS[:4], standing)

        assert caught.events[0] == TextDelta("st.")
        assert caught.events[-1] == TextDelta("\n\nThe e")

    def test_text_that_does_not_fit_is_restated_since_the_last_tool(self) -> None:
        caught = catch_up("First.\n\nAnother", {"c1", "c2"}, {"c1", "c2"}, STEPS, IDLE)

        assert caught.restated == "The end."

    def test_text_beyond_the_agents_record_stands(self) -> None:
        caught = catch_up(WHOLE + " Or not?", {"c1", "c2"}, {"c1", "c2"}, STEPS, IDLE)

        assert caught.restated is None


class TestPrompt:
    def test_the_skill_may_stand_before_it(self) -> None:
        kept = "[IMPORTANT] …\n\nalongside the skill invocation: count this"

        assert is_ours("count this", kept)
        assert not is_ours("this", kept)

    def test_another_prompt_that_holds_the_words_is_not_ours(self) -> None:
        assert not is_ours("go", "go on")

    def test_a_prompt_with_attachments_is_known_behind_what_an_image_shows(
        self, turn: Turn
    ) -> None:
        prompt = replace(turn, attachments=("a.png",)).prompt
        described = "[The user attached an image:\nA cat.]\n[You can examine it with x]"

        assert is_ours(prompt, f"{described}\n\n{prompt}")
        assert not is_ours(prompt, f"{described}\n\n{turn.text}")

    def test_steps_are_those_after_the_last_one(self) -> None:
        messages = [
            TranscriptMessage("user", "go"),
            TranscriptMessage("assistant", "old"),
            TranscriptMessage("user", "go"),
            TranscriptMessage("assistant", "new"),
        ]

        assert [step.text for step in steps_after("go", messages, before=1) or []] == ["new"]
        assert steps_after("go", messages, before=2) is None
        assert steps_after("stay", messages) is None

    def test_what_was_cut_off_goes_on_in_the_same_paragraph(self) -> None:
        steps = [
            TranscriptMessage("assistant", "It is", finish="length"),
            TranscriptMessage("user", "[System: The previous response was cut off. Continue.]"),
            TranscriptMessage("assistant", "done.", finish="stop"),
        ]

        assert whole_text(steps) == "It is done."

    def test_the_whole_text_has_a_paragraph_after_each_tool(self) -> None:
        assert whole_text(STEPS) == WHOLE
