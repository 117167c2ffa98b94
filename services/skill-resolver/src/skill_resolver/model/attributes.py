"""What a repository's `.gitattributes` do to its archive: files left out, rewritten, or converted.

`git archive` obeys them, so its bytes are not always the committed ones. Only what is certain not
to concern a skill is passed over; the exact files cost some requests more.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pathspec import GitIgnoreSpec

from skill_resolver.model.paths import join, leaf, parent
from skill_resolver.model.tree import Tree

_FILE = ".gitattributes"
_MAX_FILES = 100
_MAX_SIZE = 64 * 1024
_LEAVES_OUT = "export-ignore"
_REWRITES = re.compile(r"(?:export-subst|ident|eol=crlf|working-tree-encoding=.+)")
_MAX_PATTERN, _MAX_WILD = 300, 6
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Rule:
    """One line, in the attributes of the directory `base`."""

    base: str
    pattern: str
    leaves_out: bool

    def concerns(self, tree: Tree, directory: str) -> bool:
        """Whether a file of the skill in `directory` may be left out or is rewritten."""
        if not _is_beside(self.base, directory):
            return False
        return self._may_hide(directory) if self.leaves_out else self._rewrites(tree, directory)

    def _may_hide(self, directory: str) -> bool:
        """What was left out is not to be seen: only a path that leads elsewhere is no concern."""
        path = self.pattern.rstrip("/")
        if "/" not in path or len(self.base) >= len(directory):
            return True
        fixed = join(self.base, _WILD.split(path.lstrip("/"), maxsplit=1)[0])
        return f"{directory}/".startswith(fixed) or fixed.startswith(f"{directory}/")

    def _rewrites(self, tree: Tree, directory: str) -> bool:
        if len(self.pattern) > _MAX_PATTERN or len(_WILD.findall(self.pattern)) > _MAX_WILD:
            return True
        try:
            spec = GitIgnoreSpec.from_lines([self.pattern])
        except (ValueError, re.error):
            return True
        start = len(self.base) + 1 if self.base else 0
        paths = tree.below(directory if len(directory) > len(self.base) else self.base)
        return any(spec.match_file(path[start:]) for path in paths)


def read(tree: Tree) -> list[Rule]:
    """The rules that change an archive; reads the files, so call it in a worker thread."""
    files = [path for path in tree.paths if leaf(path) == _FILE][:_MAX_FILES]
    tree.prepare(files)
    rules: list[Rule] = []
    for path in files:
        entry = tree.entries[path]
        if entry.target is None and entry.size <= _MAX_SIZE:
            text = tree.read(path)[:_MAX_SIZE].decode("utf-8", "replace")
            rules += _rules(text, parent(path))
    return rules


def _rules(text: str, base: str) -> Iterator[Rule]:
    for line in text.splitlines():
        pattern, *attributes = line.split()[:50] or [""]
        if not pattern or pattern.startswith("#"):
            continue
        # A macro stands for what it says wherever it is used.
        pattern = "*" if pattern.startswith("[attr]") else pattern.strip('"')
        if _LEAVES_OUT in attributes:
            yield Rule(base, pattern, leaves_out=True)
        if any(map(_REWRITES.fullmatch, attributes)):
            yield Rule(base, pattern, leaves_out=False)


def _is_beside(base: str, directory: str) -> bool:
    """Whether attributes in `base` reach into `directory`, or lie in it."""
    return not base or f"{directory}/".startswith(f"{base}/") or _is_inside(base, directory)


def _is_inside(path: str, directory: str) -> bool:
    return not directory or f"{path}/".startswith(f"{directory}/")
