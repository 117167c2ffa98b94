"""A directory a skill, and never one for two."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sandbox_manager.model.directory import skill_directory, skill_path, slot

part = st.text("ab-.x_é ", min_size=1, max_size=6)
skills = st.tuples(part, part, st.lists(part, max_size=3).map("/".join))


class TestNames:
    @pytest.mark.parametrize(
        ("skill", "expected"),
        [
            (("anthropics", "skills", "frontend-design"), "anthropics--skills--frontend-design"),
            (("acme", "tools", "skills/pdf"), "acme--tools--skills--pdf"),
            (("acme", "next.js", ""), "acme--next.js"),
        ],
    )
    def test_they_read_as_the_path(self, skill: tuple[str, str, str], expected: str) -> None:
        assert skill_directory(*skill) == expected

    @pytest.mark.parametrize(
        "skill",
        [("acme", "a--b", "c"), ("acme", "a", "b--c"), ("acme", "a-", "b"), ("a", "b", "ä")],
    )
    def test_an_ambiguous_part_gets_a_hash(self, skill: tuple[str, str, str]) -> None:
        assert re.search(r"---[0-9a-f]{10}$", skill_directory(*skill))

    def test_a_long_path_is_cut(self) -> None:
        assert len(skill_directory("acme", "tools", "x" * 3000)) < 255


class TestUniqueness:
    @given(skills, skills)
    @example(("a", "b--c", "d"), ("a", "b", "c--d"))
    @example(("a", "b", "c/d"), ("a", "b--c", "d"))
    @example(("a", "b", "c-"), ("a", "b", "c_"))
    def test_two_skills_never_share_one(
        self, one: tuple[str, str, str], other: tuple[str, str, str]
    ) -> None:
        if tuple(filter(None, "\0".join(one).replace("/", "\0").split("\0"))) != tuple(
            filter(None, "\0".join(other).replace("/", "\0").split("\0"))
        ):
            assert skill_directory(*one) != skill_directory(*other)

    @given(skills)
    def test_a_name_is_one_plain_component(self, skill: tuple[str, str, str]) -> None:
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,220}", skill_directory(*skill))

    def test_a_hash_cannot_be_imitated_by_a_name(self) -> None:
        hashed = skill_directory("a", "b", "c--d")
        imitation = hashed.split("--", 2)[2].replace("--", "/")

        assert skill_directory("a", "b", imitation) != hashed


def test_a_skills_path_leaves_the_root_out() -> None:
    assert skill_path("acme", "tools", "") == "acme/tools"
    assert skill_path("acme", "tools", "skills/pdf") == "acme/tools/skills/pdf"


def test_a_slot_is_safe_as_a_documents_key() -> None:
    assert re.fullmatch(r"[0-9a-f]{16}", slot("acme--next.js--$x"))
