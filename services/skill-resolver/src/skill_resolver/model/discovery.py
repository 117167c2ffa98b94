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
_MAX_LINKS = 2000
_MAX_MANIFEST = 1024 * 1024
_LOCK = "skills-lock.json"
_MARKETPLACE, _PLUGIN_JSON = ".claude-plugin/marketplace.json", ".claude-plugin/plugin.json"
_MANIFESTS = (_LOCK, _MARKETPLACE, _PLUGIN_JSON)
_SLUG_DROPPED = re.compile(r"[^a-z0-9-]+")

Rank = tuple[int, int, bytes]


@dataclass(frozen=True)
class FoundSkill:
    """One SKILL.md: its directory, what its head says, and how it ranks among copies of its name.

    `called` are the names of its directory: its own (at the root the repository's), then those of
    links that lead to it. `nested` lies below another skill and is a part of it; `hidden` is not
    shown in lists, but found by its name.
    """

    directory: str
    file: str
    name: str
    description: str
    is_complete: bool
    rank: Rank
    called: tuple[str, ...]
    nested: bool = False
    hidden: bool = False

    @cached_property
    def slug(self) -> str:
        return slug(self.name)

    @cached_property
    def installed_as(self) -> str:
        return installed_as(self.name)

    @property
    def words(self) -> set[str]:
        """The words that it answers to."""
        directories = {name.lower() for name in self.called}
        return {self.name.lower(), self.slug, self.installed_as} | directories

    @property
    def is_listed(self) -> bool:
        return self.is_complete and not self.nested and not self.hidden


def slug(name: str) -> str:
    """A name as skills.sh writes it into its addresses."""
    dashed = re.sub(r"[\s_]+", "-", name.strip().lower())
    return re.sub(r"-{2,}", "-", _SLUG_DROPPED.sub("", dashed)).strip("-")


def installed_as(name: str) -> str:
    """The directory that the usual installer makes for a skill of this name."""
    return re.sub(r"[^a-z0-9._]+", "-", name.lower()).strip(".-")[:255]


def discover(tree: Tree, repo: str) -> list[FoundSkill]:
    """Every skill of the tree, best rank first; `repo` names one at the root without a name."""
    known: list[FoundSkill] | None = tree.worked_out.get(f"skills of {repo}")
    if known is None:
        known = tree.worked_out[f"skills of {repo}"] = _discovered(tree, repo)
    return known


def _discovered(tree: Tree, repo: str) -> list[FoundSkill]:
    tree.prepare(_MANIFESTS)
    declared = _declared(tree)
    files = [path for path in tree.skill_files() if _is_walked(parent(path), declared)]
    files = files[:MAX_SKILLS]
    tree.prepare({tree.resolve(path) or path for path in files})
    directories = {parent(path) for path in files}
    around = _Around(repo, directories, declared, _installed(tree), _links_to(tree, directories))
    found = [_found(tree, path, around) for path in files]
    return sorted(found, key=lambda skill: skill.rank)


@dataclass(frozen=True)
class _Around:
    """What the rest of a repository says of a skill in it."""

    repo: str
    directories: set[str]
    declared: set[str]
    installed: set[str]
    links: dict[str, list[str]]


def read_head(tree: Tree, file: str) -> FrontMatter:
    """The front matter of one SKILL.md."""
    return front_matter.parse(tree.content(file)[:MAX_SKILL_MD])


def _found(tree: Tree, file: str, around: _Around) -> FoundSkill:
    directory = parent(file)
    head = read_head(tree, file)
    own_name = leaf(directory) or around.repo
    name = head.name or own_name
    by_an_agent = directory.startswith(tuple(f"{agent}/skills/" for agent in AGENTS))
    return FoundSkill(
        directory=directory,
        file=file,
        name=name,
        description=head.description,
        is_complete=head.is_complete,
        rank=_rank(directory, around.declared),
        called=(own_name, *around.links.get(directory, [])),
        nested=_is_nested(directory, around),
        hidden=_is_internal(head) or (by_an_agent and name in around.installed),
    )


def _links_to(tree: Tree, directories: set[str]) -> dict[str, list[str]]:
    """The names of links by the skill's directory they lead to."""
    found: dict[str, list[str]] = {}
    links = [path for path, entry in tree.entries.items() if entry.target is not None]
    for path in sorted(links)[:_MAX_LINKS]:
        real = tree.resolve(path)
        if real is not None and real in directories and leaf(path) != leaf(real):
            found.setdefault(real, []).append(leaf(path))
    return found


def _is_walked(directory: str, declared: set[str]) -> bool:
    """Not what was installed; what was built only where a manifest declares it."""
    parts = directory.split("/")
    is_source = _NOT_ABOVE.isdisjoint(parts[:-1]) or _is_declared(directory, declared)
    return _NEVER.isdisjoint(parts) and is_source


def _is_nested(directory: str, around: _Around) -> bool:
    """Whether a skill lies above and no manifest says that this one stands for itself; one at the
    root or in a directory called `skills` is a table of contents.
    """
    above = "" if _is_declared(directory, around.declared) else parent(directory)
    while above:
        if above in around.directories and leaf(above) != "skills":
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
    return _PLUGIN if _is_declared(directory, declared) else _ELSEWHERE


def _is_declared(directory: str, declared: set[str]) -> bool:
    return bool(declared & {directory, parent(directory)})


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
    paths = [f"{base}/{text}" for text in map(_text, named) if text and text[0] != "/"]
    inside = {normal(path.strip("/")) for path in paths}
    beside = {parent(path) for path in inside if path}
    own = normal(f"{base}/skills".strip("/"))
    return {path for path in {*inside, *beside, own} if path}


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
