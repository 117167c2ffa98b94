"""Directories of this machine: only what was opened, and no way out of it."""

import os
from pathlib import Path

import pytest
from skill_resolver.adapters.local import LocalDirectories
from skill_resolver.errors import SkillTooLargeError, SkillUnreadableError


@pytest.fixture
def base(tmp_path: Path) -> Path:
    skill = tmp_path / "examples" / "skills" / "hello"
    skill.mkdir(parents=True)
    (skill / "SKILL.md").write_text("text", encoding="utf-8")
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    return tmp_path


def opened(base: Path, *roots: str, file_bytes: int = 1000) -> LocalDirectories:
    return LocalDirectories(roots or ("examples/skills",), base, file_bytes=file_bytes)


class TestLocate:
    @pytest.mark.parametrize(
        "text",
        ["examples/skills/hello", "./examples/skills/hello", "{base}/examples/skills/hello/"],
    )
    def test_a_path_inside_an_open_directory(self, base: Path, text: str) -> None:
        ref = opened(base).locate(text.format(base=base))

        assert ref is not None
        assert (ref.owner, ref.repo, ref.path) == ("local", "examples", "hello")

    @pytest.mark.parametrize(
        "text",
        [
            *(
                "acme/tools/pdf",
                "secret",
                "../x",
                "/etc/passwd",
                "examples/skills/../../secret",
                "",
            ),
            *("examples", "local/examples/hello", "a\0b", "https://github.com/a/b", "~/x"),
        ],
    )
    def test_anything_else_is_no_path(self, base: Path, text: str) -> None:
        assert opened(base).locate(text) is None

    def test_a_link_that_leaves_is_no_path(self, base: Path) -> None:
        (base / "examples" / "skills" / "out").symlink_to(base)

        assert opened(base).locate("examples/skills/out") is None

    def test_a_missing_path_below_an_open_directory_stays_local(self, base: Path) -> None:
        ref = opened(base).locate("examples/skills/nope")

        assert ref is not None
        assert ref.path == "nope"

    def test_labels(self, base: Path) -> None:
        (base / "more" / "skills").mkdir(parents=True)
        local = opened(
            base, "examples/skills", "mine=examples/skills", "more/skills", "more/../more/skills"
        )

        labels = [
            label for label in ("examples", "mine", "more", "more-2", "x") if local.tree(label)
        ]

        assert labels == ["examples", "mine", "more", "more-2"]


class TestTree:
    def test_files_and_links_are_seen_and_links_are_not_followed_out(self, base: Path) -> None:
        skill = base / "examples" / "skills" / "hello"
        (skill / "run.sh").write_text("x", encoding="utf-8")
        (skill / "run.sh").chmod(0o700)
        (skill / "out").symlink_to(base / "secret")
        (skill / "inside").symlink_to("SKILL.md")
        (base / "examples" / "skills" / "dir").symlink_to(base)
        os.mkfifo(skill / "pipe")

        tree = opened(base).tree("examples")

        assert tree is not None
        assert tree.paths == ["dir", "hello/SKILL.md", "hello/inside", "hello/out", "hello/run.sh"]
        assert tree.entries["hello/run.sh"].mode == 0o755
        assert tree.resolve("hello/inside") == "hello/SKILL.md"
        assert (tree.resolve("hello/out"), tree.resolve("dir")) == (None, None)

    def test_the_state_changes_with_any_file(self, base: Path) -> None:
        local = opened(base)
        skill = base / "examples" / "skills" / "hello"
        states = {local.state("examples")}
        (skill / "new.md").write_text("x", encoding="utf-8")
        states.add(local.state("examples"))
        (skill / "new.md").write_text("y", encoding="utf-8")
        states.add(local.state("examples"))
        (skill / "new.md").chmod(0o755)
        states.add(local.state("examples"))
        (skill / "new.md").unlink()

        assert len({*states, local.state("examples")}) >= 4
        assert local.state("nope") is None

    def test_a_file_that_became_a_link_is_not_read(self, base: Path) -> None:
        tree = opened(base).tree("examples")
        assert tree is not None
        file = base / "examples" / "skills" / "hello" / "SKILL.md"
        file.unlink()
        file.symlink_to(base / "secret")

        with pytest.raises(SkillUnreadableError):
            tree.read("hello/SKILL.md")

    def test_a_file_too_large_is_refused(self, base: Path) -> None:
        tree = opened(base, file_bytes=2).tree("examples")

        assert tree is not None
        with pytest.raises(SkillTooLargeError):
            tree.read("hello/SKILL.md")
