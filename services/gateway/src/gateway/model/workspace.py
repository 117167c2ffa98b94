"""The files of a session's workspace as a tree."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from common.contracts.sandbox import FileEntry

DEPTH = 3


@dataclass(frozen=True)
class Node:
    """`is_deep`: a directory whose content was not listed."""

    name: str
    path: str
    size: int
    is_directory: bool
    is_deep: bool = False
    children: list["Node"] = field(default_factory=list)


def tree_of(entries: Sequence[FileEntry], *, below: str = "") -> list[Node]:
    """What is directly in `below`, directories first, each with what is in it."""
    roots: list[Node] = []
    known: dict[str, list[Node]] = {below.strip("/"): roots}
    start = len(PurePosixPath(below).parts)
    for entry in sorted(entries, key=lambda one: (one.path.count("/"), one.path)):
        path = PurePosixPath(entry.path)
        parent = "" if path.parent == PurePosixPath() else str(path.parent)
        is_deep = entry.is_directory and len(path.parts) - start >= DEPTH
        node = Node(path.name, entry.path, entry.size, entry.is_directory, is_deep)
        known.get(parent, roots).append(node)
        if entry.is_directory:
            known[entry.path] = node.children
    for nodes in known.values():
        nodes.sort(key=lambda one: (not one.is_directory, one.name.lower(), one.name))
    return roots


def files_in(entries: Sequence[FileEntry]) -> int:
    return sum(not entry.is_directory for entry in entries)
