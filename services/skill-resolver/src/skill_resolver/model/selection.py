"""The files of one skill: what is in its directory, and what its links lead to inside the
repository.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from skill_resolver.errors import SkillTooLargeError
from skill_resolver.model.paths import join, parent, refusal
from skill_resolver.model.tree import Dropped, Tree

_MAX_NOTES = 10
_MAX_LIST = 480 * 1024
_FILE_IN_A_LIST = 120
"""What a file takes in a list beside its name: size, mode and checksum."""


@dataclass(frozen=True)
class Limits:
    """What one skill may hold; real ones reach 1,359 files and 20 MB."""

    files: int = 3000
    total_bytes: int = 32 * 1024 * 1024


@dataclass(frozen=True)
class SkillFile:
    """One regular file of a skill, by its path below the skill's directory."""

    path: str
    mode: int
    content: bytes
    is_linked: bool = False


@dataclass(frozen=True)
class Selection:
    files: tuple[SkillFile, ...]
    warnings: tuple[str, ...]

    @property
    def skill_md(self) -> bytes:
        return next(file.content for file in self.files if file.path == "SKILL.md")


def select(tree: Tree, directory: str, skill_md: str, limits: Limits) -> Selection:
    """Read every file of the skill in `directory`; its SKILL.md becomes exactly that name."""
    wanted, notes = _wanted(tree, directory, skill_md, limits)
    if sum(len(path.encode()) + _FILE_IN_A_LIST for path in wanted) > _MAX_LIST:
        msg = "The names of the skill's files are too long to be listed."
        raise SkillTooLargeError(msg)
    _check(sum(tree.entries[real].size for real, _ in wanted.values()), limits)
    tree.prepare({real for real, _ in wanted.values()})
    files: list[SkillFile] = []
    total = 0
    for path, (real, linked) in sorted(wanted.items()):
        content = tree.read(real)
        total += len(content)
        _check(total, limits)
        files.append(SkillFile(path, tree.entries[real].mode, content, linked))
    notes += [f"{d.path!r} was left out: {d.reason}." for d in _dropped(tree, directory)]
    more = [f"... and {len(notes) - _MAX_NOTES} more notes."] if len(notes) > _MAX_NOTES else []
    return Selection(tuple(files), (*notes[:_MAX_NOTES], *more))


def _check(total: int, limits: Limits) -> None:
    """Twice: a size may not be known before the file is read."""
    if total > limits.total_bytes:
        raise SkillTooLargeError(
            f"The skill is {total:,} bytes or more; {limits.total_bytes:,} are allowed."
        )


def _wanted(
    tree: Tree, directory: str, skill_md: str, limits: Limits
) -> tuple[dict[str, tuple[str, bool]], list[str]]:
    """Path below the skill -> (path in the tree, whether a link leads there)."""
    main = tree.resolve(skill_md) or skill_md
    wanted = {"SKILL.md": (main, False)}
    notes: list[str] = []
    start = len(directory) + 1 if directory else 0
    for path in tree.below(directory):
        if path == skill_md:
            continue
        entry = tree.entries[path]
        if entry.target is None:
            wanted.setdefault(path[start:], (path, False))
        else:
            notes += _follow(tree, path, path[start:], wanted)
        if len(wanted) > limits.files:
            raise SkillTooLargeError(f"The skill has more than {limits.files:,} files.")
    return wanted, notes


def _follow(tree: Tree, link: str, path: str, wanted: dict[str, tuple[str, bool]]) -> list[str]:
    """Take over what a link leads to: a file, or a directory that does not hold the link."""
    real = tree.resolve(link)
    if real is None:
        return [f"The link {path!r} leads nowhere inside the repository: it was left out."]
    if real in tree.entries:
        wanted.setdefault(path, (real, True))
        return []
    if real == "" or f"{parent(link)}/".startswith(f"{real}/"):
        return [f"The link {path!r} leads to a directory above itself: it was left out."]
    for inner, inside in _regular(tree, real):
        if not refusal(join(path, inside)):
            wanted.setdefault(join(path, inside), (inner, True))
    return []


def _regular(tree: Tree, directory: str) -> Iterator[tuple[str, str]]:
    for path in tree.below(directory):
        if tree.entries[path].target is None:
            yield path, path[len(directory) + 1 :]


def _dropped(tree: Tree, directory: str) -> list[Dropped]:
    prefix = f"{directory}/" if directory else ""
    return [dropped for dropped in tree.dropped if dropped.path.startswith(prefix)]
