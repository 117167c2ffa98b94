"""Which skill is meant, in repositories of every layout."""

from collections.abc import Callable

import pytest
from skill_resolver.errors import SkillAmbiguousError, SkillNotFoundError
from skill_resolver.model.discovery import slug
from skill_resolver.model.matching import Match, Matcher
from skill_resolver.model.reference import SkillRef
from skill_resolver.model.tree import Tree

Ask = Callable[..., Match]


@pytest.fixture
def ask(make_tree: Callable[..., Tree]) -> Ask:
    def run(files: dict[str, object], skill: str = "", path: str | None = None) -> Match:
        ref = SkillRef("acme-labs", "tools", skill=skill, path=path)
        return Matcher(make_tree(files), ref).match()

    return run


Md = Callable[..., str]


class TestByName:
    def test_the_front_matters_name_goes_before_the_directorys(self, ask: Ask, md: Md) -> None:
        files = {"skills/alpha/SKILL.md": md("beta"), "skills/beta/SKILL.md": md("alpha")}

        assert ask(files, "alpha").directory == "skills/beta"

    @pytest.mark.parametrize(
        "asked", ["Name With Spaces", "name with spaces", "name-with-spaces", "title", "Title"]
    )
    def test_case_slug_and_directory_answer(self, ask: Ask, md: Md, asked: str) -> None:
        files = {"skills/title/SKILL.md": md("Name With Spaces"), "skills/x/SKILL.md": md("x")}

        assert ask(files, asked).directory == "skills/title"

    def test_exact_case_decides(self, ask: Ask, md: Md) -> None:
        files = {"skills/a/SKILL.md": md("Mixed"), "skills/b/SKILL.md": md("mixed")}

        assert ask(files, "Mixed").directory == "skills/a"
        assert ask(files, "mixed").directory == "skills/b"

    def test_names_that_differ_in_case_only_are_not_guessed_between(
        self, ask: Ask, md: Md
    ) -> None:
        files = {"skills/a/SKILL.md": md("Mixed"), "skills/b/SKILL.md": md("mixed")}

        with pytest.raises(SkillAmbiguousError):
            ask(files, "MIXED")

    @pytest.mark.parametrize("asked", ["tools-pdf", "acme-pdf", "acme-labs-pdf"])
    def test_a_prefix_of_owner_or_repository_is_stripped(
        self, ask: Ask, md: Md, asked: str
    ) -> None:
        files = {"skills/pdf/SKILL.md": md("pdf"), "skills/x/SKILL.md": md("x")}

        assert ask(files, asked).directory == "skills/pdf"

    @pytest.mark.parametrize("asked", ["pdf", "React-Native", "reactnative", "react-native"])
    def test_a_name_with_colons_has_its_slug_and_its_installed_form(
        self, ask: Ask, md: Md, asked: str
    ) -> None:
        files = {"skills/a/SKILL.md": md("react::native"), "skills/pdf/SKILL.md": md("x:pdf")}

        assert ask(files, asked).directory == f"skills/{'pdf' if asked == 'pdf' else 'a'}"

    def test_a_directory_goes_before_the_installed_form_of_another_name(
        self, ask: Ask, md: Md
    ) -> None:
        files = {"skills/x/SKILL.md": md("a::b"), "skills/a-b/SKILL.md": md("other")}

        assert ask(files, "a-b").directory == "skills/a-b"

    def test_a_link_to_a_skill_is_another_name_of_its_directory(self, ask: Ask, md: Md) -> None:
        files = {
            "shared/real/SKILL.md": md("shown"),
            "skills/linked": ("link", "../shared/real"),
            "skills/x/SKILL.md": md("x"),
        }

        assert ask(files, "linked").directory == "shared/real"
        assert ask(files, "skills/linked").directory == "shared/real"

    def test_the_directory_of_a_skill_at_the_root_is_called_like_the_repository(
        self, ask: Ask, md: Md
    ) -> None:
        files = {"SKILL.md": md("shown"), "skills/x/SKILL.md": md("x")}

        assert ask(files, "tools").directory == ""

    def test_a_whole_skill_goes_before_a_part_or_a_broken_one(self, ask: Ask, md: Md) -> None:
        files = {
            "skills/a/SKILL.md": md("a"),
            "skills/a/more/b/SKILL.md": md("b"),
            "skills/c/SKILL.md": "---\nname: b\n---\n",
            "other/b/SKILL.md": md("c"),
        }

        assert ask(files, "b").directory == "other/b"

    @pytest.mark.parametrize("asked", ["design", "front", "frontend", "my-frontend-design", "pd"])
    def test_words_are_never_trimmed(self, ask: Ask, md: Md, asked: str) -> None:
        files = {
            "skills/frontend-design/SKILL.md": md("frontend-design"),
            "skills/pdf/SKILL.md": md("pdf"),
        }

        with pytest.raises(SkillNotFoundError) as refused:
            ask(files, asked)

        assert len(refused.value.extra["candidates"]) == 2

    def test_look_alikes_are_told_apart(self, ask: Ask, md: Md) -> None:
        files = {
            "skills/paypal/SKILL.md": md("paypal"),
            "skills/p\u0430ypal/SKILL.md": md("p\u0430ypal"),
        }

        assert ask(files, "paypal").directory == "skills/paypal"
        assert ask(files, "p\u0430ypal").directory == "skills/p\u0430ypal"

    def test_composed_and_decomposed_letters_are_one(self, ask: Ask, md: Md) -> None:
        files = {"skills/cafe\u0301/SKILL.md": md("cafe\u0301"), "skills/x/SKILL.md": md("x")}

        assert ask(files, "caf\u00e9").directory == "skills/cafe\u0301"

    def test_a_broken_head_is_found_by_its_directory_only(self, ask: Ask, md: Md) -> None:
        files = {"skills/broken/SKILL.md": "# no head", "skills/x/SKILL.md": md("x")}

        assert ask(files, "broken").directory == "skills/broken"

    def test_a_single_word_may_be_a_directory_of_one_skill(self, ask: Ask, md: Md) -> None:
        files = {"packs/only/SKILL.md": md("only"), "skills/x/SKILL.md": md("x")}

        assert ask(files, "packs").directory == "packs/only"

    @pytest.mark.parametrize(
        "place", ["node_modules/a/skills/x", "dist/skills/x", "build/x", ".git/x"]
    )
    def test_what_was_built_or_installed_is_not_looked_at(
        self, ask: Ask, md: Md, place: str
    ) -> None:
        files = {f"{place}/SKILL.md": md("hit"), "skills/other/SKILL.md": md("other")}

        with pytest.raises(SkillNotFoundError):
            ask(files, "hit")

    def test_what_was_built_is_one_where_a_manifest_declares_it(self, ask: Ask, md: Md) -> None:
        manifest = '{"plugins": [{"source": "./plugins/build"}]}'
        files = {
            ".claude-plugin/marketplace.json": manifest,
            "plugins/build/skills/hit/SKILL.md": md("hit"),
        }

        assert ask(files, "hit").directory == "plugins/build/skills/hit"

    def test_a_skill_called_build_is_one(self, ask: Ask, md: Md) -> None:
        assert ask({"skills/build/SKILL.md": md("build")}, "build").directory == "skills/build"


class TestCopies:
    def test_the_order_of_places(self, ask: Ask, md: Md) -> None:
        places = [
            "skills/cat/sub/same",
            "skills/.curated/same",
            ".agents/skills/same",
            ".claude/skills/same",
            "plug/tools/same",
            "",
            "deep/er/same",
        ]
        manifest = '{"plugins": [{"source": "./plug", "skills": ["./tools/same"]}]}'
        files: dict[str, object] = {
            f"{place}/SKILL.md".lstrip("/"): md("same") for place in places
        }
        files[".claude-plugin/marketplace.json"] = manifest

        for count in range(len(places)):
            gone = {f"{place}/SKILL.md".lstrip("/") for place in places[:count]}
            left = {path: text for path, text in files.items() if path not in gone}
            match = ask(left, "same")
            assert match.directory == places[count]
            assert [skill.directory for skill in match.alternates] == places[count + 1 :]

    def test_of_two_categories_the_first_in_order(self, ask: Ask, md: Md) -> None:
        files = {"skills/b/twin/SKILL.md": md("twin"), "skills/a/twin/SKILL.md": md("twin")}

        assert ask(files, "twin").directory == "skills/a/twin"
        assert ask(files, "b/twin").directory == "skills/b/twin"

    def test_two_skills_behind_one_stripped_name_are_ambiguous(self, ask: Ask, md: Md) -> None:
        files = {"skills/a/SKILL.md": md("tools-pdf"), "skills/b/SKILL.md": md("acme-pdf")}

        with pytest.raises(SkillAmbiguousError) as refused:
            ask(files, "pdf")

        assert {c["path"] for c in refused.value.extra["candidates"]} == {"skills/a", "skills/b"}

    def test_a_skill_inside_a_skill_comes_last(self, ask: Ask, md: Md) -> None:
        files = {
            "skills/a/SKILL.md": md("a"),
            "skills/a/references/x/SKILL.md": md("x"),
            "other/deep/er/x/SKILL.md": md("x"),
        }

        assert ask(files, "x").directory == "other/deep/er/x"


class TestByWords:
    """owner/repo/a/b."""

    @pytest.fixture
    def files(self, md: Md) -> dict[str, object]:
        return {
            "skills/office/pdf/SKILL.md": md("pdf"),
            "skills/office/forms/SKILL.md": md("acme-forms"),
            "plugins/review/skills/lint/SKILL.md": md("lint"),
            "plugins/review/skills/lint/references/old/SKILL.md": md("old"),
            "plugins/format/skills/lint/SKILL.md": md("lint"),
            "components/skills/web/deep/chart/SKILL.md": md("chart"),
        }

    @pytest.mark.parametrize(
        ("asked", "directory"),
        [
            ("skills/office/pdf", "skills/office/pdf"),
            ("skills/office/pdf/SKILL.md", "skills/office/pdf"),
            ("office/pdf", "skills/office/pdf"),
            ("Office/PDF", "skills/office/pdf"),
            ("office/acme-forms", "skills/office/forms"),
            ("skills/office/acme-forms", "skills/office/forms"),
            ("skills/acme-forms", "skills/office/forms"),
            ("review/lint", "plugins/review/skills/lint"),
            ("format/lint", "plugins/format/skills/lint"),
            ("skills/lint", "plugins/format/skills/lint"),
            ("web/chart", "components/skills/web/deep/chart"),
            ("components/chart", "components/skills/web/deep/chart"),
        ],
    )
    def test_a_path_the_end_of_one_or_a_category(
        self, ask: Ask, files: dict[str, object], asked: str, directory: str
    ) -> None:
        assert ask(files, asked).directory == directory

    @pytest.mark.parametrize(
        "asked", ["pdf/office", "nope/pdf", "office/nope", "skills/office/pdf/nope", "docs/pdf"]
    )
    def test_what_lies_elsewhere_is_not_meant(
        self, ask: Ask, files: dict[str, object], asked: str
    ) -> None:
        with pytest.raises(SkillNotFoundError):
            ask({**files, "docs/readme.md": "x"}, asked)

    def test_a_directory_of_several_is_ambiguous(self, ask: Ask, files: dict[str, object]) -> None:
        with pytest.raises(SkillAmbiguousError):
            ask(files, "skills/office")

    def test_a_name_with_slashes(self, ask: Ask, md: Md) -> None:
        files = {"skills/x/SKILL.md": md("a/b/c"), "skills/y/SKILL.md": md("y")}

        assert ask(files, "a/b/c").directory == "skills/x"


class TestInAPart:
    """A skill by its name in a part of the repository: a command with a path and `--skill`."""

    @pytest.fixture
    def files(self, md: Md) -> dict[str, object]:
        return {
            "skills/pdf/SKILL.md": md("pdf"),
            "packs/a/skills/pdf/SKILL.md": md("pdf"),
            "packs/a/skills/docx/SKILL.md": md("docx"),
            "README.md": "x",
        }

    def test_the_part_decides_between_copies(self, ask: Ask, files: dict[str, object]) -> None:
        assert ask(files, "pdf").directory == "skills/pdf"
        assert ask(files, "pdf", path="packs").directory == "packs/a/skills/pdf"
        assert ask(files, "skills/docx", path="packs/a").directory == "packs/a/skills/docx"

    @pytest.mark.parametrize("path", ["docs", "README.md", "packs/b"])
    def test_a_part_that_is_none_is_refused(
        self, ask: Ask, files: dict[str, object], path: str
    ) -> None:
        with pytest.raises(SkillNotFoundError):
            ask(files, "pdf", path=path)

    def test_outside_of_the_part_nothing_is_found(
        self, ask: Ask, files: dict[str, object]
    ) -> None:
        with pytest.raises(SkillNotFoundError):
            ask(files, "docx", path="skills")


class TestByPath:
    FILES = ("skills/pdf/SKILL.md", "skills/pdf/scripts/run.py", "skills/docx/SKILL.md")

    def files(self, md: Md) -> dict[str, object]:
        return {**{path: md(path.split("/")[1]) for path in self.FILES}, "README.md": "r"}

    @pytest.mark.parametrize("path", ["skills/pdf", "skills/pdf/SKILL.md", "skills/pdf/skill.md"])
    def test_a_path_decides(self, ask: Ask, md: Md, path: str) -> None:
        assert ask(self.files(md), path=path).directory == "skills/pdf"

    def test_the_path_decides_against_the_name(self, ask: Ask, md: Md) -> None:
        files = {"skills/alpha/SKILL.md": md("beta"), "skills/beta/SKILL.md": md("alpha")}

        assert ask(files, path="skills/alpha").directory == "skills/alpha"

    @pytest.mark.parametrize(
        "path", ["skills/nope", "README.md", "skills/pdf/scripts", "skills/pdf/scripts/run.py"]
    )
    def test_what_is_no_skill_is_refused_with_candidates(
        self, ask: Ask, md: Md, path: str
    ) -> None:
        with pytest.raises(SkillNotFoundError) as refused:
            ask(self.files(md), path=path)

        assert refused.value.extra["candidates"] or path == "README.md"

    def test_a_directory_of_several_is_ambiguous(self, ask: Ask, md: Md) -> None:
        with pytest.raises(SkillAmbiguousError):
            ask(self.files(md), path="skills")

    def test_a_directory_of_one_is_that_one(self, ask: Ask, md: Md) -> None:
        files = self.files(md) | {"more/one/SKILL.md": md("one")}

        assert ask(files, path="more").directory == "more/one"

    def test_skill_md_in_any_case(self, ask: Ask, md: Md) -> None:
        match = ask({"skills/low/skill.md": md("low")}, path="skills/low")

        assert match.file == "skills/low/skill.md"

    def test_the_exact_spelling_goes_first(self, ask: Ask, md: Md) -> None:
        files = {"a/skill.md": md("low"), "a/SKILL.md": md("up")}

        assert ask(files, path="a").file == "a/SKILL.md"

    def test_links_are_followed_inside_the_repository(self, ask: Ask, md: Md) -> None:
        files = {"skills/pdf/SKILL.md": md("pdf"), ".claude/skills": ("link", "../skills")}

        assert ask(files, path=".claude/skills/pdf").directory == "skills/pdf"

    @pytest.mark.parametrize("target", ["/etc", "../../..", "loop", "nowhere"])
    def test_other_links_lead_nowhere(self, ask: Ask, md: Md, target: str) -> None:
        files = {"loop": ("link", target), "skills/pdf/SKILL.md": md("pdf")}

        with pytest.raises(SkillNotFoundError):
            ask(files, path="loop")


class TestWholeRepository:
    def test_a_skill_at_the_root_is_it(self, ask: Ask, md: Md) -> None:
        files = {"SKILL.md": md("root"), "skills/inner/SKILL.md": md("inner")}

        assert ask(files).directory == ""
        assert ask(files, "SKILL.md").directory == ""
        assert ask(files, "inner").directory == "skills/inner"

    def test_the_only_skill_is_it(self, ask: Ask, md: Md) -> None:
        assert ask({"skills/one/SKILL.md": md("one"), "README.md": "x"}).directory == "skills/one"

    def test_of_several_none_is_guessed(self, ask: Ask, md: Md) -> None:
        files = {f"skills/{name}/SKILL.md": md(name) for name in "abc"}

        with pytest.raises(SkillAmbiguousError) as refused:
            ask(files)

        refs = [candidate["ref"] for candidate in refused.value.extra["candidates"]]
        assert refs == ["acme-labs/tools/a", "acme-labs/tools/b", "acme-labs/tools/c"]

    def test_without_skills_nothing_is_found(self, ask: Ask) -> None:
        with pytest.raises(SkillNotFoundError):
            ask({"README.md": "x"})


class TestListing:
    def test_internal_installed_nested_and_broken_ones_are_not_listed(
        self, make_tree: Callable[..., Tree], md: Md
    ) -> None:
        files = {
            "skills/shown/SKILL.md": md("shown"),
            "skills/shown/child/SKILL.md": md("child"),
            "skills/internal/SKILL.md": md("internal", more="metadata:\n  internal: true\n"),
            "skills/broken/SKILL.md": "# nothing",
            ".agents/skills/installed/SKILL.md": md("installed"),
            ".agents/skills/own/SKILL.md": md("own"),
            "skills-lock.json": '{"version": 1, "skills": {"installed": {}}}',
        }
        skills = Matcher(make_tree(files), SkillRef("acme", "tools")).skills

        assert [skill.name for skill in skills if skill.is_listed] == ["shown", "own"]

    def test_a_manifest_says_that_a_part_stands_for_itself(
        self, make_tree: Callable[..., Tree], md: Md
    ) -> None:
        files = {
            "plug/SKILL.md": md("plug"),
            "plug/skills/inner/SKILL.md": md("inner"),
            "plug/notes/inner2/SKILL.md": md("inner2"),
            ".claude-plugin/marketplace.json": '{"plugins": [{"source": "./plug"}]}',
        }
        skills = Matcher(make_tree(files), SkillRef("acme", "tools")).skills

        assert [skill.name for skill in skills if skill.is_listed] == ["inner", "plug"]

    @pytest.mark.parametrize(
        ("manifest", "directories"),
        [
            ('{"plugins": [{"source": "./a"}]}', ["a/skills/x"]),
            ('{"plugins": [{"source": "a"}]}', ["a/skills/x"]),
            ('{"plugins": [{"skills": ["./a/own/x"]}]}', ["a/own/x"]),
            ('{"plugins": [{"source": "./a", "skills": ["./own"]}]}', ["a/skills/x", "a/own/x"]),
            (
                '{"metadata": {"pluginRoot": "./a"}, "plugins": [{"source": "./b"}]}',
                ["a/b/skills/x"],
            ),
            ('{"plugins": [{"source": {"repo": "x/y"}, "skills": ["./a/own/x"]}]}', []),
            ('{"plugins": [{"source": "./../a"}, {"skills": ["/a/own/x", "../x"]}]}', []),
        ],
    )
    def test_declared_ones_go_before_shallower_ones(
        self, make_tree: Callable[..., Tree], md: Md, manifest: str, directories: list[str]
    ) -> None:
        places = ["a/skills/x", "a/own/x", "a/b/skills/x", "x"]
        files = {f"{place}/SKILL.md": md("x") for place in places}
        tree = make_tree({**files, ".claude-plugin/marketplace.json": manifest})

        order = [skill.directory for skill in Matcher(tree, SkillRef("o", "r")).skills]

        assert set(order[: order.index("x")]) == set(directories)

    @pytest.mark.parametrize(
        "manifest", ["[]", "{", '{"plugins": 3}', '{"plugins": [{"skills": 7}]}', "[" * 9000]
    )
    def test_a_broken_manifest_changes_nothing(
        self, make_tree: Callable[..., Tree], md: Md, manifest: str
    ) -> None:
        files = {".claude-plugin/marketplace.json": manifest, "skills/a/SKILL.md": md("a")}

        assert len(Matcher(make_tree(files), SkillRef("acme", "tools")).skills) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Name With_spaces", "name-with-spaces"),
        ("stitch::react", "stitchreact"),
        ("日本", ""),
        ("--a--", "a"),
    ],
)
def test_slug(name: str, expected: str) -> None:
    assert slug(name) == expected
