"""Which skill of a repository is meant. Nothing is guessed: what is not certain is refused, with
candidates.
"""

import difflib
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from skill_resolver.errors import SkillAmbiguousError, SkillNotFoundError
from skill_resolver.model.discovery import Addresses, FoundSkill, discover, read_head, slug
from skill_resolver.model.paths import join, leaf, parent
from skill_resolver.model.reference import SkillRef
from skill_resolver.model.tree import Tree

MAX_CANDIDATES = 10
_OWNER_SUFFIXES = (
    *("-labs", "-ai", "-hq", "-inc", "-io", "-org", "-dev", "-team", "-community", "-com"),
    *("-app", "-oss"),
)
Test = Callable[[FoundSkill], bool]


@dataclass(frozen=True)
class Match:
    """The directory that is meant, its SKILL.md, and other copies of the same skill."""

    directory: str
    file: str
    alternates: tuple[FoundSkill, ...] = field(default=())


class Matcher:
    """The skills of one tree; they are discovered at the first question that needs them."""

    def __init__(self, tree: Tree, ref: SkillRef) -> None:
        self._tree = tree
        self._ref = ref

    @cached_property
    def skills(self) -> list[FoundSkill]:
        return discover(self._tree, self._ref.repo)

    def match(self) -> Match:
        """Raises SkillNotFoundError or SkillAmbiguousError."""
        path, words = self._ref.path, self._ref.skill
        if path is not None and not words:
            return self._by_path(path)
        base = self._part(path or "")
        pool = _below(base, self.skills)
        if not words:
            return self._only_one("", pool)
        if "/" in words or words.lower() == "skill.md":
            return self._by_words(words, base, pool)
        return self._by_name(words, base, pool)

    def _part(self, path: str) -> str:
        """The real path of the part of the repository that is looked into."""
        real = self._tree.resolve(path)
        if real is None or real in self._tree.entries:
            raise self._not_found(f"There is no directory {path!r} at this commit.", leaf(path))
        return real

    def _by_path(self, path: str) -> Match:
        real = self._tree.resolve(path)
        if leaf(path).lower() == "skill.md" and (real is None or real in self._tree.entries):
            return self._at(parent(path))
        if real is None:
            raise self._not_found(f"There is no {path!r} at this commit.", leaf(path))
        if real in self._tree.entries:
            raise self._not_found(f"{path!r} is a file, not a skill.", "", self._above(real))
        return self._at(real) if self._tree.skill_file(real) else self._inside(real, path)

    def _at(self, directory: str) -> Match:
        directory = self._tree.resolve(directory) or directory
        file = self._tree.skill_file(directory)
        if file is None:
            raise self._not_found(
                f"There is no readable SKILL.md in {directory!r}.", leaf(directory)
            )
        name = read_head(self._tree, file).name
        copies = [skill for skill in self.skills if name and skill.name == name]
        return Match(directory, file, tuple(s for s in copies if s.directory != directory))

    def _inside(self, directory: str, asked: str) -> Match:
        """A directory that is no skill: the one below it, if there is just one."""
        below = _below(directory, self.skills)
        if not below and directory:
            raise self._not_found(
                f"{asked!r} is not a skill.", leaf(asked), self._above(directory)
            )
        return self._only_one(directory, below)

    def _only_one(self, directory: str, skills: Sequence[FoundSkill]) -> Match:
        listed = [skill for skill in skills if skill.is_listed] or [
            s for s in skills if not s.nested
        ]
        where = f"in {directory!r}" if directory else "in this repository"
        if not listed:
            raise SkillNotFoundError(f"There is no skill {where}.")
        at_root = [skill for skill in listed if not skill.directory]
        if at_root or len({skill.name for skill in listed}) == 1:
            return self._matched(at_root or listed)
        raise SkillAmbiguousError(
            f"There are {len(listed)} skills {where}: name one.", self.candidates(listed)
        )

    def _by_words(self, words: str, base: str, pool: Sequence[FoundSkill]) -> Match:
        """`owner/repo/a/b`: a path, the end of a path, a name with slashes, a category and a name,
        a directory of one skill.
        """
        real = self._tree.resolve(join(base, words))
        if real is not None and real not in self._tree.entries and self._tree.skill_file(real):
            return self._at(real)
        if leaf(words).lower() == "skill.md" and real in self._tree.entries:
            return self._at(parent(join(base, words)))
        folded = _folded(words)
        tests: tuple[Test, ...] = (
            lambda skill: skill.directory.endswith(f"/{words}"),
            lambda skill: skill.name == words,
            lambda skill: f"/{_folded(skill.directory)}".endswith(f"/{folded}"),
        )
        for test in tests:
            if hits := [skill for skill in pool if test(skill)]:
                return self._decided(hits)
        if real is not None and self._tree.is_directory(real) and _below(real, pool):
            return self._inside(real, words)
        if hits := self._in_category(words, pool):
            return self._decided(hits)
        raise self._not_found(f"There is no {words!r} in this repository.", leaf(words))

    def _in_category(self, words: str, pool: Sequence[FoundSkill]) -> list[FoundSkill]:
        """`category/name`, where the name is not the directory's, or more stands between."""
        category = _folded(parent(words)).split("/")
        inside = [skill for skill in pool if _lies_in(category, skill.directory)]
        return self._answering(leaf(words), inside)

    def _by_name(self, name: str, base: str, pool: Sequence[FoundSkill]) -> Match:
        if hits := self._answering(name, pool):
            return self._decided(hits)
        real = self._tree.resolve(join(base, name))
        if real is not None and self._tree.is_directory(real):
            return self._at(real) if self._tree.skill_file(real) else self._inside(real, name)
        raise self._not_found(f"There is no skill {name!r} in this repository.", name)

    def _answering(self, name: str, pool: Sequence[FoundSkill]) -> list[FoundSkill]:
        """Who answers to a name in the surest way in which anybody does; a part of another skill
        and what has no whole head come last.
        """
        whole = [skill for skill in pool if skill.is_complete and not skill.nested]
        others = [skill for skill in pool if skill not in whole]
        for tests in (_named(name), self._stripped(name)):
            for some in (whole, others):
                for test in tests:
                    if hits := [skill for skill in some if test(skill)]:
                        return hits
        return []

    def _stripped(self, name: str) -> list[Test]:
        """The name, or a skill's own, with the owner or the repository in front."""
        owner, repo = self._ref.owner, self._ref.repo
        prefixes = {owner, repo, *(owner.removesuffix(end) for end in _OWNER_SUFFIXES)}
        asked = _folded(name)
        short = {asked.removeprefix(f"{prefix}-") for prefix in prefixes} - {asked, ""}
        long = {f"{prefix}-{asked}" for prefix in prefixes}
        return [
            lambda skill: not short.isdisjoint(map(_folded, (skill.name, *skill.called))),
            lambda skill: not long.isdisjoint(map(_folded, (skill.name, *skill.called))),
        ]

    def _decided(self, hits: Sequence[FoundSkill]) -> Match:
        if len({unicodedata.normalize("NFC", skill.name) for skill in hits}) > 1:
            msg = "Several skills answer to that name."
            raise SkillAmbiguousError(msg, self.candidates(hits))
        return self._matched(hits)

    def _matched(self, hits: Sequence[FoundSkill]) -> Match:
        best = min(hits, key=lambda skill: skill.rank)
        copies = [s for s in self.skills if s.name == best.name and s.directory != best.directory]
        return Match(best.directory, best.file, tuple(copies))

    def _above(self, path: str) -> list[FoundSkill]:
        around = [s for s in self.skills if path.startswith(f"{s.directory}/") or not s.directory]
        return sorted(around, key=lambda skill: -len(skill.directory))[:1]

    def _not_found(
        self, detail: str, name: str, close: Iterable[FoundSkill] = ()
    ) -> SkillNotFoundError:
        found = [*close] or close_to(name, [s for s in self.skills if s.is_listed])
        return SkillNotFoundError(detail, self.candidates(found))

    def candidates(self, skills: Iterable[FoundSkill]) -> list[dict[str, str]]:
        ref = self._ref
        addresses = Addresses(ref.owner, ref.repo, ref.ref, self.skills)
        return [
            {
                "ref": addresses.of(skill),
                "path": skill.directory,
                "name": skill.name,
                "description": skill.description[:200],
            }
            for skill in list(skills)[:MAX_CANDIDATES]
        ]


def _below(directory: str, skills: Iterable[FoundSkill]) -> list[FoundSkill]:
    prefix = f"{directory}/" if directory else ""
    return [skill for skill in skills if skill.directory.startswith(prefix)]


def _lies_in(category: Sequence[str], directory: str) -> bool:
    """Whether the words are, in this order, directories above this one."""
    above = iter(_folded(parent(directory)).split("/"))
    return all(word in above for word in category)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _named(name: str) -> list[Test]:
    """Ways in which a skill answers to a name, surest first."""
    same = unicodedata.normalize("NFC", name)
    folded = same.casefold()
    short = slug(name) if name.isascii() else ""
    return [
        lambda skill: unicodedata.normalize("NFC", skill.name) == same,
        lambda skill: skill.name.casefold() == folded,
        lambda skill: bool(short) and skill.name.isascii() and skill.slug == short,
        lambda skill: same in {unicodedata.normalize("NFC", called) for called in skill.called},
        lambda skill: folded in map(_folded, skill.called),
        lambda skill: skill.slug == name,
        lambda skill: skill.installed_as == folded,
    ]


def close_to(name: str, skills: Sequence[FoundSkill]) -> list[FoundSkill]:
    """Skills whose names resemble `name`, nearest first; all of them when they are few."""
    if len(skills) <= MAX_CANDIDATES or not name:
        return list(skills)
    words: dict[str, FoundSkill] = {}
    for skill in skills:
        words.setdefault(_folded(skill.name), skill)
        words.setdefault(_folded(skill.called[0]), skill)
    asked = _folded(name)[:100]
    near = difflib.get_close_matches(asked, [w[:100] for w in words], MAX_CANDIDATES, 0.55)
    near += [word for word in words if asked and (asked in word or word in asked)]
    return list({id(words[w]): words[w] for w in near if w in words}.values())[:MAX_CANDIDATES]
