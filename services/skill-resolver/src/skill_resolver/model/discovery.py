"""All skills of a repository, in the order in which copies of one name are preferred.

Every SKILL.md counts, wherever it lies; where it lies gives its rank. The order is that of the
usual installer: `skills/`, `skills/.curated` and its like, the directories of the
agents, what a plugin manifest declares, then whatever is shallower, then the bytes of the path.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

from skill_resolver.model import front_matter
from skill_resolver.model.front_matter import FrontMatter
from skill_resolver.model.paths import join, leaf, normal, parent
from skill_resolver.model.reference import LOCAL_OWNER
from skill_resolver.model.tree import Tree
from skill_resolver.model.words import words

AGENTS = words(
    ".agents .claude .cline .codebuddy .codex .commandcode .continue .factory .github .goose .grok"
    " .iflow .junie .kilo .kilocode .kimchi .kiro .minimax .mux .neovate .opencode .openhands .pi"
    " .posit/assistant .qoder .roo .trae .windsurf .zcode .zencoder"
)
HIDDEN_SKILLS = ("skills/.curated", "skills/.experimental", "skills/.system")
_PREFERRED = ("skills", *HIDDEN_SKILLS, *(f"{agent}/skills" for agent in AGENTS))
_PLUGIN = len(_PREFERRED) + 1
_ELSEWHERE = _PLUGIN + 1
_WALKED_DEPTH = 3
_NEVER = {"node_modules", ".git", "__pycache__"}
_NOT_ABOVE = {"dist", "build"}
MAX_SKILLS = 5000
MAX_SKILL_MD = 512 * 1024
_MAX_MANIFEST = 1024 * 1024
_LOCK = "skills-lock.json"
_MARKETPLACE, _PLUGIN_JSON = ".claude-plugin/marketplace.json", ".claude-plugin/plugin.json"
_MANIFESTS = (_LOCK, _MARKETPLACE, _PLUGIN_JSON)
_SLUG_DROPPED = re.compile(r"[^a-z0-9-]+")

Rank = tuple[int, int, bytes]


@dataclass(frozen=True)
class FoundSkill:
    """One SKILL.md: its directory, what its head says, and how it ranks among copies of its name.

    `nested` lies below another skill and is a part of it; `hidden` is not shown in lists, but
    found by its name.
    """

    directory: str
    file: str
    name: str
    description: str
    is_complete: bool
    rank: Rank
    nested: bool = False
    hidden: bool = False

    @property
    def leaf(self) -> str:
        return leaf(self.directory)

    @cached_property
    def slug(self) -> str:
        return slug(self.name)

    @property
    def words(self) -> set[str]:
        """The words that it answers to."""
        return {self.name.lower(), self.slug, self.leaf.lower()}

    @property
    def is_listed(self) -> bool:
        return self.is_complete and not self.nested and not self.hidden


def slug(name: str) -> str:
    """A name as skills.sh writes it into its addresses."""
    dashed = re.sub(r"[\s_]+", "-", name.strip().lower())
    return re.sub(r"-{2,}", "-", _SLUG_DROPPED.sub("", dashed)).strip("-")


def discover(tree: Tree, repo: str) -> list[FoundSkill]:
    """Every skill of the tree, best rank first; `repo` names one at the root without a name."""
    files = [path for path in tree.skill_files() if _is_walked(parent(path))][:MAX_SKILLS]
    directories = {parent(path) for path in files}
    tree.prepare({tree.resolve(path) or path for path in (*files, *_MANIFESTS)})
    declared = _declared(tree)
    installed = _installed(tree)
    found = [_found(tree, path, repo, directories, declared, installed) for path in files]
    return sorted(found, key=lambda skill: skill.rank)


def read_head(tree: Tree, file: str) -> FrontMatter:
    """The front matter of one SKILL.md."""
    return front_matter.parse(tree.content(file)[:MAX_SKILL_MD])


def _found(
    tree: Tree,
    file: str,
    repo: str,
    directories: set[str],
    declared: set[str],
    installed: set[str],
) -> FoundSkill:
    directory = parent(file)
    head = read_head(tree, file)
    name = head.name or leaf(directory) or repo
    by_an_agent = directory.startswith(tuple(f"{agent}/skills/" for agent in AGENTS))
    return FoundSkill(
        directory=directory,
        file=file,
        name=name,
        description=head.description,
        is_complete=head.is_complete,
        rank=_rank(directory, declared),
        nested=_is_nested(directory, directories),
        hidden=_is_internal(head) or (by_an_agent and name in installed),
    )


def _is_walked(directory: str) -> bool:
    parts = directory.split("/")
    return _NEVER.isdisjoint(parts) and _NOT_ABOVE.isdisjoint(parts[:-1])


def _is_nested(directory: str, directories: set[str]) -> bool:
    """Whether a skill lies above; one at the root or in a directory called `skills` is a table of
    contents.
    """
    above = parent(directory)
    while above:
        if above in directories and leaf(above) != "skills":
            return True
        above = parent(above)
    return False


def _rank(directory: str, declared: set[str]) -> Rank:
    depth = directory.count("/") if directory else -1
    return _place(directory, declared), depth, directory.encode()


def _place(directory: str, declared: set[str]) -> int:
    for place, root in reversed(list(enumerate(_PREFERRED, start=1))):
        inside = directory.removeprefix(f"{root}/")
        if inside != directory and inside.count("/") < _WALKED_DEPTH:
            return place
    return _PLUGIN if declared & {directory, parent(directory)} else _ELSEWHERE


def _is_internal(head: FrontMatter) -> bool:
    return str(head.metadata.get("internal", "")).lower() == "true"


def _installed(tree: Tree) -> set[str]:
    """Third-party skills that this project only installed, by its lock file."""
    skills = _json(tree, _LOCK).get("skills")
    return set(skills) if isinstance(skills, dict) else set()


def _declared(tree: Tree) -> set[str]:
    """Directories that a plugin manifest names: skills, or directories of skills."""
    found: set[str] = set()
    market = _json(tree, _MARKETPLACE)
    options = market.get("metadata")
    root = _text(options.get("pluginRoot")) if isinstance(options, dict) else ""
    for plugin in _dicts(market.get("plugins")):
        if isinstance(plugin.get("source", ""), str):
            found |= _of_plugin(f"{root}/{_text(plugin.get('source'))}", plugin)
    return found | _of_plugin("", _json(tree, _PLUGIN_JSON))


def _of_plugin(base: str, plugin: dict[str, Any]) -> set[str]:
    entries = plugin.get("skills")
    named = entries if isinstance(entries, list) else [entries]
    paths = [f"{base}/{entry}" for entry in named if isinstance(entry, str)]
    inside = {normal(path.strip("/")) for path in [*paths, f"{base}/skills"]}
    beside = {parent(path) for path in inside if path}
    return {path for path in inside | beside if path}


def _json(tree: Tree, path: str) -> dict[str, Any]:
    entry = tree.entries.get(path)
    if entry is None or entry.target is not None or entry.size > _MAX_MANIFEST:
        return {}
    try:
        value = json.loads(tree.read(path))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> Iterable[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


class Addresses:
    """The shortest reference that means exactly one skill; `skills` are all, best rank first."""

    def __init__(self, owner: str, repo: str, ref: str, skills: Iterable[FoundSkill]) -> None:
        self._owner = owner
        self._repo = repo
        self._ref = ref
        self._answering: dict[str, set[str]] = {}
        self._best: dict[str, FoundSkill] = {}
        for skill in skills:
            self._best.setdefault(skill.name, skill)
            for word in skill.words:
                self._answering.setdefault(word, set()).add(skill.name)

    def of(self, skill: FoundSkill) -> str:
        at = f"#{self._ref}" if self._ref else ""
        is_sure = self._answering[skill.name.lower()] == {skill.name}
        is_best = self._best[skill.name].directory == skill.directory
        if is_sure and is_best and re.fullmatch(r"[a-z0-9][a-z0-9-]*", skill.name):
            return f"{self._owner}/{self._repo}/{skill.name}{at}"
        if "/" in skill.directory or self._owner == LOCAL_OWNER:
            return f"{join(self._owner, self._repo, skill.directory)}{at}"
        tree = f"{self._owner}/{self._repo}/tree/{quote(self._ref or 'HEAD', safe='')}"
        return f"https://github.com/{tree}/{skill.directory}".rstrip("/")
