"""SKILL.md heads as people write them, and as nobody should."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from skill_resolver.model import front_matter
from skill_resolver.model.yaml_subset import MAX_DEPTH, YamlError, load

BOM = "\ufeff"
PLAIN = "---\nname: pdf\ndescription: Reads PDFs.\n---\n\n# Body\n"


def parsed(text: str | bytes) -> front_matter.FrontMatter:
    return front_matter.parse(text if isinstance(text, bytes) else text.encode())


class TestFences:
    @pytest.mark.parametrize(
        "text",
        [
            PLAIN,
            BOM + PLAIN,
            PLAIN.replace("\n", "\r\n"),
            PLAIN.replace("\n", "\r"),
            "\n\n" + PLAIN,
            PLAIN.replace("---\n", "---  \n"),
            "---\nname: pdf\ndescription: Reads PDFs.\n---",
            "---\nname: pdf\ndescription: Reads PDFs.\n...\n\n# Body\n",
        ],
    )
    def test_every_kind_of_fence_is_read(self, text: str) -> None:
        head = parsed(text)

        assert (head.name, head.description) == ("pdf", "Reads PDFs.")

    def test_utf16_is_read_with_a_warning(self) -> None:
        head = parsed(PLAIN.encode("utf-16"))

        assert head.name == "pdf"
        assert head.warnings

    def test_indented_dashes_inside_a_value_are_no_fence(self) -> None:
        head = parsed("---\nname: x\ndescription: |\n  one\n  ---\n  two\n---\nbody\n---\nmore\n")

        assert head.description == "one\n---\ntwo"
        assert head.body == "body\n---\nmore\n"

    @pytest.mark.parametrize(
        "text", ["# Only a body\n", "---\nname: x\n\n# open\n", "----\nname: x\n----\n", ""]
    )
    def test_without_front_matter_everything_is_body(self, text: str) -> None:
        head = parsed(text)

        assert not head.fields
        assert head.warnings == ("SKILL.md has no front matter.",)


class TestValues:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("Use when: the user asks. Triggers: pdf", "Use when: the user asks. Triggers: pdf"),
            ("@Observable state", "@Observable state"),
            ("`code` first", "`code` first"),
            ('"Quoted: with \\"quotes\\""', 'Quoted: with "quotes"'),
            (">-\n  Folded over\n  two lines.", "Folded over two lines."),
            ("|\n  Literal over\n  two lines.", "Literal over\n  two lines.".replace("  ", "")),
            ("Plain over\n  two lines", "Plain over two lines"),
            ("2048", "2048"),
            ("yes", "yes"),
            ("2026-01-01", "2026-01-01"),
            ("null", ""),
            ("[a, b]", ""),
            ('""', ""),
        ],
    )
    def test_description(self, value: str, expected: str) -> None:
        assert parsed(f"---\nname: x\ndescription: {value}\n---\n").description == expected

    def test_a_tab_does_not_cost_the_name(self) -> None:
        assert parsed("---\nname: x\nmetadata:\n\tauthor: me\n---\n").name == "x"

    def test_the_last_of_two_names_counts_and_is_told(self) -> None:
        head = parsed("---\nname: one\nname: two\ndescription: d\n---\n")

        assert head.name == "two"
        assert "twice" in head.warnings[0]

    def test_metadata_written_as_json_in_a_string(self) -> None:
        head = parsed('---\nname: x\nmetadata: \'{"a": {"b": 1}}\'\n---\n')

        assert head.metadata == {"a": {"b": "1"}}


class TestHostile:
    def test_a_billion_laughs_cost_nothing(self) -> None:
        bomb = "a0: &a0 [lol]\n" + "".join(
            f"a{i}: &a{i} [" + ",".join(f"*a{i - 1}" for _ in range(10)) + "]\n"
            for i in range(1, 10)
        )

        head = parsed(f"---\nname: bomb\ndescription: d\n{bomb}---\n")

        assert head.name == "bomb"
        assert len(json.dumps(head.fields)) < 100_000

    def test_a_long_text_said_again_and_again_costs_nothing(self) -> None:
        text = "a: &a " + "x" * 50_000 + "\nb: [" + ", ".join(["*a"] * 90) + "]\n"

        with pytest.raises(YamlError):
            load(text)
        assert len(json.dumps(parsed(f"---\nname: x\n{text}---\n").fields)) < 100_000

    def test_a_value_that_contains_itself_is_refused(self) -> None:
        with pytest.raises(YamlError):
            load("m: &m\n  self: *m\n")

    @pytest.mark.parametrize("text", ["[" * 50_000, "a: " + "{b: " * 2000, "- " * 5000 + "x"])
    def test_deep_nesting_is_refused(self, text: str) -> None:
        with pytest.raises(YamlError):
            load(text)

    def test_depth_is_counted_through_aliases(self) -> None:
        half = "[" * (MAX_DEPTH // 2 + 1) + "x" + "]" * (MAX_DEPTH // 2 + 1)
        around = "[" * (MAX_DEPTH // 2) + "*a" + "]" * (MAX_DEPTH // 2)

        with pytest.raises(YamlError):
            load(f"a: &a {half}\nb: {around}\n")

    def test_tags_construct_nothing(self) -> None:
        value, _ = load('x: !!python/object/apply:os.system ["true"]\n')

        assert value == {"x": ["true"]}

    @given(st.text(max_size=300))
    def test_no_text_breaks_it(self, text: str) -> None:
        head = front_matter.parse(f"---\n{text}\n---\n".encode("utf-8", "surrogatepass"))

        json.dumps(head.fields).encode()

    @given(st.binary(max_size=300))
    def test_no_bytes_break_it(self, content: bytes) -> None:
        front_matter.parse(content).body.encode("utf-8", "surrogatepass")
