"""Which files make a skill, and what their digest and bundle are."""

import io
import tarfile
from collections.abc import Callable

import pytest
from common.digest import skill_digest
from skill_resolver.errors import SkillTooLargeError
from skill_resolver.model.assembly import assemble
from skill_resolver.model.bundle import pack, read_one
from skill_resolver.model.matching import Match
from skill_resolver.model.selection import Limits, Selection, select
from skill_resolver.model.tree import Entry, Tree, without_shadowed

Select = Callable[..., Selection]


@pytest.fixture
def selected(make_tree: Callable[..., Tree]) -> Select:
    def run(files: dict[str, object], limits: Limits | None = None) -> Selection:
        tree = make_tree(files)
        return select(tree, "s", tree.skill_file("s") or "", limits or Limits())

    return run


class TestFiles:
    def test_everything_in_the_directory_and_nothing_beside_it(self, selected: Select) -> None:
        files = {"s/SKILL.md": "x", "s/a/b.bin": b"\0\xff", "s/.env": "x", "sx/c": "y", "d": "z"}

        found = selected(files)

        assert [file.path for file in found.files] == [".env", "SKILL.md", "a/b.bin"]
        assert found.files[2].content == b"\0\xff"

    def test_the_executable_bit_is_kept(self, selected: Select) -> None:
        found = selected({"s/SKILL.md": "x", "s/run.sh": ("exec", "echo")})

        assert [oct(file.mode) for file in found.files] == ["0o644", "0o755"]

    def test_skill_md_gets_its_name(self, selected: Select) -> None:
        assert [f.path for f in selected({"s/skill.md": "low"}).files] == ["SKILL.md"]

    def test_links_to_files_and_directories_inside_the_repository_are_followed(
        self, selected: Select
    ) -> None:
        files = {
            "s/SKILL.md": "x",
            "s/guide.md": ("link", "../shared/guide.md"),
            "s/lib": ("link", "../shared"),
            "shared/guide.md": "g",
        }
        found = selected(files)

        assert [(f.path, f.is_linked) for f in found.files] == [
            ("SKILL.md", False),
            ("guide.md", True),
            ("lib/guide.md", True),
        ]

    @pytest.mark.parametrize(
        "target", ["/etc/passwd", "../../../etc/passwd", "gone", "..", ".", "link"]
    )
    def test_other_links_are_left_out_and_told(self, selected: Select, target: str) -> None:
        found = selected({"s/SKILL.md": "x", "s/link": ("link", target)})

        assert [file.path for file in found.files] == ["SKILL.md"]
        assert "link" in found.warnings[0]

    def test_limits(self, selected: Select) -> None:
        files = {"s/SKILL.md": "x"} | {f"s/{n}": "y" * 10 for n in range(20)}

        with pytest.raises(SkillTooLargeError):
            selected(files, Limits(files=10))
        with pytest.raises(SkillTooLargeError):
            selected(files, Limits(total_bytes=100))

    def test_names_that_no_message_carries_are_too_large(self, selected: Select) -> None:
        files = {"s/SKILL.md": "x"} | {f"s/{'n' * 240}{n}": "y" for n in range(1500)}

        with pytest.raises(SkillTooLargeError):
            selected(files)

    def test_a_size_that_is_not_known_before_is_counted_when_read(self) -> None:
        files = {"s/SKILL.md": b"x" * 60, "s/a": b"y" * 60}
        tree = Tree(dict.fromkeys(files, Entry(0)), files.__getitem__)

        with pytest.raises(SkillTooLargeError):
            select(tree, "s", "s/SKILL.md", Limits(total_bytes=100))

    def test_what_lies_below_a_file_or_link_is_forged(self) -> None:
        entries = {"a": Entry(0, target="/tmp"), "a/b": Entry(1), "c": Entry(1), "c/d/e": Entry(1)}

        assert set(without_shadowed(entries)) == {"a", "c"}


class TestAssembly:
    def test_the_digest_is_that_of_all_files_linked_ones_too(
        self, make_tree: Callable[..., Tree], md: Callable[..., str]
    ) -> None:
        text = md("s")
        tree = make_tree({"s/SKILL.md": text, "s/g": ("link", "../g"), "g": "shared"})

        made = assemble(tree, Match("s", "s/SKILL.md"), "repo", Limits())

        expected = [("SKILL.md", 0o644, text.encode()), ("g", 0o644, b"shared")]
        assert made.digest == skill_digest(expected)
        assert [file.path for file in made.files] == ["SKILL.md"]
        assert [file.path for file in made.linked_files] == ["g"]
        assert made.total_bytes == len(text)

    def test_a_bundle_holds_the_files_and_is_the_same_each_time(self) -> None:
        files = [("b.sh", 0o755, b"x"), ("ä/" + "n" * 150, 0o644, b""), ("SKILL.md", 0o644, b"y")]

        bundle = pack(files)

        assert pack(reversed(files)) == bundle
        with tarfile.open(fileobj=io.BytesIO(bundle)) as archive:
            assert archive.getnames() == ["SKILL.md", "b.sh", "ä/" + "n" * 150]
        assert read_one(bundle, "b.sh") == (0o755, b"x")
        assert read_one(bundle, "nope") is None

    @pytest.mark.parametrize(
        ("text", "warning"),
        [
            ("# body only", "no front matter"),
            ("---\nname: other\ndescription: d\n---\n", "differs from its directory"),
            ("---\nname: Bad Name\ndescription: d\n---\n", "outside of the specification"),
            ("---\nname: s\n---\n", "no description"),
            ("---\nname: s\ndescription: d\nplatforms: [macos]\n---\n", "for macos"),
        ],
    )
    def test_what_is_odd_is_told(
        self, make_tree: Callable[..., Tree], text: str, warning: str
    ) -> None:
        made = assemble(make_tree({"s/SKILL.md": text}), Match("s", "s/SKILL.md"), "r", Limits())

        assert any(warning in line for line in made.warnings)

    def test_a_skill_without_a_name_is_called_by_its_place(
        self, make_tree: Callable[..., Tree]
    ) -> None:
        tree = make_tree({"SKILL.md": "text", "s/SKILL.md": "text"})

        assert assemble(tree, Match("", "SKILL.md"), "repo", Limits()).name == "repo"
        assert assemble(tree, Match("s", "s/SKILL.md"), "repo", Limits()).name == "s"
