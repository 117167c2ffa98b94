"""What the demo model reads out of a skill that came with a message."""

from pathlib import Path

import pytest
from local_platform.demo_model.skill import Skill, read_skill

EXAMPLES = Path(__file__).parents[4] / "examples" / "skills"


def message(text: str, instruction: str = "hello", directory: str = "/skills/x") -> str:
    return (
        '[IMPORTANT: The user has invoked the "x" skill, indicating they want you to follow its'
        " instructions. The full skill content is loaded below.]\n\n"
        f"{text}\n\n[Skill directory: {directory}]\nResolve any relative paths.\n\n"
        "The user has provided the following instruction alongside the skill invocation:"
        f" {instruction}"
    )


def skill(text: str) -> Skill:
    found = read_skill(message(text))
    assert found
    return found


class TestReadSkill:
    def test_a_plain_message_has_none(self) -> None:
        assert read_skill("hello") is None

    def test_name_directory_text_and_words_are_told_apart(self) -> None:
        found = read_skill(message("# X\n\nDo it.", "two\n\nlines"))

        assert found == Skill("x", "# X\n\nDo it.\n", "/skills/x", "two\n\nlines")

    def test_a_note_of_the_agent_is_not_the_users(self) -> None:
        found = read_skill(message("# X", "hi\n\n[Runtime note: cwd is /]"))

        assert found
        assert found.instruction == "hi"


class TestOwnWords:
    def test_the_first_quoted_line_comes_first(self) -> None:
        assert skill("# T\n\nA paragraph.\n\n> Ahoy!\n").own_words == "Ahoy!"

    def test_otherwise_the_first_paragraph_without_front_matter(self) -> None:
        assert skill("---\nname: x\n---\n# T\n\nA paragraph.\n").own_words == "A paragraph."

    def test_a_skill_without_text_has_none(self) -> None:
        assert skill("---\nname: x\n---\n").own_words == ""


class TestCommand:
    @pytest.mark.parametrize(
        ("text", "command"),
        [
            ("Run `python scripts/a.py`.", "python scripts/a.py"),
            ('    python3 scripts/a.py "<text>"', "python3 scripts/a.py 'it'\"'\"'s me'"),
            ("bash scripts/a.sh --to <message>", "bash scripts/a.sh --to 'it'\"'\"'s me'"),
            ("python scripts/a.py [--top N]", "python scripts/a.py"),
            ("python scripts/a.py <input.pdf> <text>", "python scripts/a.py --help"),
            ("python ${HERMES_SKILL_DIR}/scripts/a.py", "python ${HERMES_SKILL_DIR}/scripts/a.py"),
            ("See scripts/a.py.", None),
        ],
    )
    def test_the_first_script_that_the_text_names(self, text: str, command: str | None) -> None:
        assert skill(text).command("it's me") == command

    def test_it_asks_for_words_only_where_a_placeholder_stands(self) -> None:
        assert skill("python scripts/a.py <text>").asks_for_words
        assert not skill("python scripts/a.py --all").asks_for_words


class TestVariables:
    @pytest.mark.parametrize(
        "declared",
        [
            "required_environment_variables:\n  - name: A_KEY\n    prompt: NOT_THIS one\n",
            "required_environment_variables:\n- A_KEY\n",
            "required_environment_variables:\n  - env_var: 'A_KEY'\nlicense: MIT\n",
        ],
    )
    def test_names_are_read_in_every_form(self, declared: str) -> None:
        assert skill(f"---\nname: x\n{declared}---\n# X\n").variables == ["A_KEY"]

    def test_none_are_declared_outside_the_front_matter(self) -> None:
        text = "---\nname: x\n---\nrequired_environment_variables:\n- A_KEY\n"

        assert skill(text).variables == []


class TestExamples:
    def test_the_first_is_heard_in_its_own_words(self) -> None:
        text = (EXAMPLES / "hello" / "SKILL.md").read_text()

        assert skill(text).own_words.startswith("Ahoy!")
        assert skill(text).command("hello") is None

    def test_the_second_runs_its_script_on_the_users_words(self) -> None:
        text = (EXAMPLES / "word-count" / "SKILL.md").read_text()

        assert skill(text).command("a b") == "python scripts/word_count.py 'a b'"

    def test_the_third_has_a_reference_and_a_variable(self) -> None:
        found = skill((EXAMPLES / "support-reply" / "SKILL.md").read_text())

        assert found.reference == "references/tone.md"
        assert found.variables == ["SUPPORT_TEAM_NAME"]
