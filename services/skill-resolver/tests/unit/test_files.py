"""Where files come from: an archive, or git where an archive will not do."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from common.errors import AppError
from skill_resolver.errors import (
    RepositoryNotFoundError,
    SkillNotFoundError,
    SkillUnreadableError,
    SourceSlowError,
)
from skill_resolver.model.tree import Tree

MakeTree = Callable[..., Tree]
Md = Callable[..., str]
World = Any
"""The fixture `world`: the resolver, its fakes, its clock."""


def commit(number: int) -> str:
    return f"{number:040x}"


class TestLarge:
    """Repositories whose archive is too large."""

    @pytest.fixture
    def large(self, world: World) -> World:
        world.github.too_large = True
        return world

    async def test_the_archive_is_replaced_by_files_fetched_one_by_one(self, large: World) -> None:
        assert (await large.resolver.resolve("acme/tools/pdf")).name == "pdf"
        assert (large.github.asked, large.github.surveys) == (1, 1)

    async def test_the_archive_is_not_asked_for_again(self, large: World) -> None:
        await large.resolver.resolve("acme/tools/pdf")
        large.clock.advance(timedelta(seconds=61))
        await large.resolver.resolve("acme/tools/docx")
        await large.another().resolve("acme/tools/docx")

        assert (await large.resolver.resolve("acme/tools/docx#main")).name == "docx"
        assert (large.github.asked, large.github.surveys) == (1, 1)

    async def test_a_branch_that_moved_is_followed(
        self, large: World, make_tree: MakeTree, md: Md
    ) -> None:
        await large.resolver.resolve("acme/tools/pdf")
        moved = make_tree({"skills/pdf/SKILL.md": md("pdf", "Newer.")})
        large.github.by_ref["acme/tools", ""] = commit(2), moved
        large.clock.advance(timedelta(seconds=61))

        skill = await large.resolver.resolve("acme/tools/pdf")

        assert (skill.commit, skill.description) == (commit(2), "Newer.")
        assert large.github.asked == 1


class TestWithoutArchive:
    @pytest.mark.parametrize(
        "fault", [SourceSlowError("does not begin"), SkillUnreadableError("no archive")]
    )
    async def test_git_gives_what_the_archive_does_not(
        self, world: World, fault: AppError
    ) -> None:
        world.github.broken = fault

        for text in ("acme/tools/pdf", "acme/tools/docx"):
            await world.resolver.resolve(text)
        assert (world.github.asked, world.github.surveys) == (1, 1)

    @pytest.mark.parametrize("is_listed", [True, False])
    async def test_where_git_does_not_give_the_files_the_archive_is_waited_for(
        self, world: World, *, is_listed: bool
    ) -> None:
        def refuse(_: object) -> None:
            raise SourceSlowError("does not answer")

        world.github.broken = SourceSlowError("does not begin")
        world.github.without_git = not is_listed
        whole = world.github.by_ref["acme/tools", ""][1]
        world.github.committed[commit(1)] = replace(whole, prepare=refuse)

        assert (await world.resolver.resolve("acme/tools/pdf")).name == "pdf"
        assert (await world.resolver.resolve("acme/tools/docx")).name == "docx"
        assert (world.github.asked, world.github.patient) == (2, 1)

    async def test_a_commit_that_is_gone_is_not_found(self, world: World) -> None:
        await world.resolver.resolve("acme/tools/pdf")
        world.github.by_ref = {("acme/tools", "other"): (commit(9), Tree({}, lambda _: b""))}

        with pytest.raises((SkillNotFoundError, RepositoryNotFoundError)):
            await world.another().resolve("acme/tools/docx")

    async def test_after_a_minute_the_archive_is_asked_for_again(self, world: World) -> None:
        world.github.broken = SourceSlowError("does not begin")
        await world.resolver.resolve("acme/tools/pdf")
        world.github.broken = None
        world.clock.advance(timedelta(seconds=61))

        await world.resolver.resolve("acme/tools/pdf#main")

        assert (world.github.asked, len(world.github.downloads)) == (2, 1)


class TestExactFiles:
    """Repositories whose archive is not what was committed."""

    @pytest.fixture
    def altered(self, world: World, make_tree: MakeTree, md: Md) -> World:
        rules = "skills/pdf/tests export-ignore\nskills/secret export-ignore\n"
        archive = {
            ".gitattributes": rules,
            "skills/pdf/SKILL.md": md("pdf"),
            "skills/docx/SKILL.md": md("docx"),
        }
        committed = {
            **archive,
            "skills/pdf/tests/t.py": "assert True",
            "skills/secret/SKILL.md": md("secret"),
        }
        world.github.by_ref["acme/tools", ""] = commit(5), make_tree(archive)
        world.github.committed[commit(5)] = make_tree(committed)
        return world

    async def test_a_skill_that_an_attribute_concerns_is_the_committed_one(
        self, altered: World
    ) -> None:
        skill = await altered.resolver.resolve("acme/tools/pdf")

        assert [file.path for file in skill.files] == ["SKILL.md", "tests/t.py"]
        assert (len(altered.github.downloads), altered.github.surveys) == (1, 1)

    async def test_a_skill_that_none_concerns_costs_nothing_more(self, altered: World) -> None:
        await altered.resolver.resolve("acme/tools/docx")

        assert (len(altered.github.downloads), altered.github.surveys) == (1, 0)

    async def test_a_skill_that_the_archive_lacks_is_found(self, altered: World) -> None:
        assert (await altered.resolver.resolve("acme/tools/secret")).path == "skills/secret"
        listing = await altered.resolver.list_repository("acme", "tools", None)
        assert [skill.name for skill in listing.skills] == ["docx", "pdf", "secret"]
        assert altered.github.surveys == 1

    async def test_a_lost_bundle_of_committed_files_is_made_again(self, altered: World) -> None:
        skill = await altered.resolver.resolve("acme/tools/pdf")
        original = altered.bundles.by_digest.pop(skill.digest)

        await altered.another().bundle(skill.digest)

        assert altered.bundles.by_digest[skill.digest] == original

    async def test_without_git_the_archive_stands_and_says_so(self, altered: World) -> None:
        altered.github.without_git = True

        skill = await altered.resolver.resolve("acme/tools/pdf")

        assert [file.path for file in skill.files] == ["SKILL.md"]
        assert any("attributes" in warning for warning in skill.warnings)

    async def test_so_it_does_where_git_gives_the_list_and_not_the_files(
        self, altered: World
    ) -> None:
        def refuse(_: object) -> None:
            raise SourceSlowError("does not answer")

        whole = altered.github.committed[commit(5)]
        altered.github.committed[commit(5)] = replace(whole, prepare=refuse)

        skill = await altered.resolver.resolve("acme/tools/pdf")

        assert [file.path for file in skill.files] == ["SKILL.md"]
        assert any("attributes" in warning for warning in skill.warnings)
        listing = await altered.resolver.list_repository("acme", "tools", None)
        assert [skill.name for skill in listing.skills] == ["docx", "pdf"]
