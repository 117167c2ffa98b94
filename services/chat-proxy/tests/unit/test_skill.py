"""The skill in the first prompt, and other skills that the agent loads."""

from typing import Any

import pytest
from chat_proxy.model.session import ChatSession, title_of, words_of
from chat_proxy.model.skill import first_prompt, other_skill
from common.testing.fakes import START


def session_of(skill: Any) -> ChatSession:
    return ChatSession("ses_1", "own_1", "lau_1", skill, "title", START, START)


DIRECTORY = "/home/daytona/skills/acme--tools--count-words"


class TestFirstPrompt:
    def test_it_reads_as_the_agents_own_invocation(self, skill: Any) -> None:
        prompt = first_prompt(
            session_of(skill), "Run ${HERMES_SKILL_DIR}/count.py.\n", DIRECTORY, "count it"
        )

        assert prompt.startswith('[IMPORTANT: The user has invoked the "count-words" skill, ')
        assert f"\n\nRun {DIRECTORY}/count.py.\n\n[Skill directory: {DIRECTORY}]\n" in prompt
        assert prompt.endswith("alongside the skill invocation: count it")


class TestOtherSkill:
    @pytest.mark.parametrize("name", ["count-words", "acme--tools--count-words", "tools"])
    def test_its_own_names_are_no_other(self, name: str, skill: Any) -> None:
        assert other_skill("skill_view", {"name": name}, skill, DIRECTORY) is None

    def test_viewing_another_is_told(self, skill: Any) -> None:
        assert other_skill("skill_view", {"name": "misc/draw"}, skill, DIRECTORY) == "draw"

    def test_reading_in_anothers_directory_is_told(self, skill: Any) -> None:
        arguments = {"command": "cat /home/daytona/skills/evil--x--draw/SKILL.md | head"}

        assert other_skill("terminal", arguments, skill, DIRECTORY) == "evil--x--draw"

    @pytest.mark.parametrize("command", ["ls /home/daytona/skills", "ls /home/daytona/skills/*/"])
    def test_looking_at_all_names_none(self, command: str, skill: Any) -> None:
        assert other_skill("terminal", {"command": command}, skill, DIRECTORY) is None

    def test_reading_in_its_own_directory_is_not(self, skill: Any) -> None:
        arguments = {"path": f"{DIRECTORY}/references/a.md"}

        assert other_skill("read_file", arguments, skill, DIRECTORY) is None

    def test_no_arguments_tell_nothing(self, skill: Any) -> None:
        assert other_skill("terminal", None, skill, DIRECTORY) is None


class TestTitle:
    def test_it_is_the_first_line(self) -> None:
        assert title_of("\n  Count   these words \nplease") == "Count these words"

    def test_a_long_one_is_cut_at_a_word(self) -> None:
        title = title_of("word " * 40)

        assert title.endswith("word…")
        assert len(title) <= 61


class TestWords:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("Über über a Tests, tests!", ["uber", "tests"]),
            ("naïve CAFÉ cafe\u0301", ["naive", "cafe"]),
            ("STRASSE straße", ["strasse"]),
            ("snake_case v2 x", ["snake_case", "v2"]),
            ("日本語 猫", ["日本", "本語", "猫"]),
            ("skill技能test", ["技能", "skill", "test"]),
            ("x" * 100, ["x" * 40]),
            ("", []),
        ],
    )
    def test_they_are_distinct_and_plain(self, text: str, words: list[str]) -> None:
        assert words_of(text) == words

    def test_there_are_only_so_many(self) -> None:
        assert len(words_of(" ".join(f"w{number}" for number in range(5000)))) == 2000
