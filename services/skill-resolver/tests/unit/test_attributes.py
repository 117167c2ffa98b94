"""Which lines of `.gitattributes` make an archive another thing than what was committed."""

from collections.abc import Callable

import pytest
from skill_resolver.model import attributes
from skill_resolver.model.tree import Tree

MakeTree = Callable[..., Tree]
FILES = {
    "skills/pdf/SKILL.md": "x",
    "skills/pdf/run.bat": "x",
    "skills/docx/SKILL.md": "x",
    "tests/t.py": "x",
}


def concerned(tree: Tree, directory: str) -> bool:
    return any(rule.concerns(tree, directory) for rule in attributes.read(tree))


class TestConcerns:
    @pytest.mark.parametrize(
        ("line", "pdf", "docx"),
        [
            ("skills/pdf/tests export-ignore", True, False),
            ("/skills/pdf/*.txt export-ignore", True, False),
            ("/skills/*/tests export-ignore", True, True),
            ("tests export-ignore", True, True),
            ("tests/ export-ignore", True, True),
            ("/tests/ export-ignore", False, False),
            ("/tests/fixtures export-ignore", False, False),
            ("/docs/** export-ignore", False, False),
            ("skills export-ignore", True, True),
            ("*.bat text eol=crlf", True, False),
            ("* text=auto eol=crlf", True, True),
            ("*.md ident", True, True),
            ("skills/docx/** export-subst", False, True),
            ("*.bat working-tree-encoding=UTF-16", True, False),
            ("[attr]win text eol=crlf", True, True),
            ("*.bat text eol=lf", False, False),
            ("*.md text=auto diff=markdown linguist-generated", False, False),
            ("# *.md export-ignore", False, False),
            ("skills/pdf/tests -export-ignore", False, False),
            ("", False, False),
        ],
    )
    def test_a_line(self, make_tree: MakeTree, line: str, pdf: bool, docx: bool) -> None:  # noqa: FBT001
        tree = make_tree({**FILES, ".gitattributes": f"{line}\n"})

        assert (concerned(tree, "skills/pdf"), concerned(tree, "skills/docx")) == (pdf, docx)

    def test_a_root_skill_is_concerned_by_all(self, make_tree: MakeTree) -> None:
        tree = make_tree({**FILES, ".gitattributes": "/docs/x export-ignore\n"})

        assert concerned(tree, "")

    @pytest.mark.parametrize(
        ("place", "is_concerned"),
        [("skills", True), ("skills/pdf", True), ("skills/docx", False), ("tests", False)],
    )
    def test_attributes_reach_below_their_directory(
        self,
        make_tree: MakeTree,
        place: str,
        is_concerned: bool,  # noqa: FBT001
    ) -> None:
        tree = make_tree({**FILES, f"{place}/.gitattributes": "*.bat eol=crlf\n"})

        assert concerned(tree, "skills/pdf") is is_concerned

    @pytest.mark.parametrize("pattern", ["!", "\\", "[z-a]", "a" * 400, "*a" * 40])
    def test_a_pattern_that_is_none_or_costs_too_much_concerns_all(
        self, make_tree: MakeTree, pattern: str
    ) -> None:
        tree = make_tree({**FILES, ".gitattributes": f"{pattern} ident\n"})

        assert concerned(tree, "skills/pdf")

    def test_a_link_or_a_huge_file_is_not_read(self, make_tree: MakeTree) -> None:
        linked = make_tree({**FILES, ".gitattributes": ("link", "tests/t.py")})
        huge = make_tree({**FILES, ".gitattributes": "* ident\n" * 20_000})

        assert not attributes.read(linked)
        assert not attributes.read(huge)
