"""A skill's files as a tree of directories."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from common.contracts.skills import ResolvedSkill, SkillFile


@dataclass
class Directory:
    """`files`: each with its name in this directory."""

    name: str
    directories: dict[str, "Directory"] = field(default_factory=dict)
    files: list[tuple[str, SkillFile]] = field(default_factory=list)


def tree_of(skill: ResolvedSkill) -> Directory:
    root = Directory("")
    for file in (*skill.files, *skill.linked_files):
        *parents, name = file.path.split("/")
        _directory(root, parents).files.append((name, file))
    return root


def _directory(root: Directory, names: Iterable[str]) -> Directory:
    here = root
    for name in names:
        here = here.directories.setdefault(name, Directory(name))
    return here
