"""One chosen skill as a whole: its files, its digest, and what it says of itself."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from common.digest import skill_digest

from skill_resolver.model import environment, front_matter
from skill_resolver.model.bundle import pack
from skill_resolver.model.environment import Variable
from skill_resolver.model.front_matter import FrontMatter
from skill_resolver.model.matching import Match
from skill_resolver.model.paths import leaf
from skill_resolver.model.selection import Limits, SkillFile, select
from skill_resolver.model.tree import Tree

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_MAX_NAME, _MAX_DESCRIPTION = 64, 1024
_MAX_NOTE = 500
_MAX_SHOWN_NAME, _MAX_SHOWN, _MAX_METADATA = 300, 8000, 64 * 1024
_LFS = b"version https://git-lfs.github.com/spec/"
_LINUX = {"linux", "any", "all"}


@dataclass(frozen=True)
class File:
    path: str
    size: int
    mode: int
    sha256: str


@dataclass(frozen=True)
class Assembly:
    """Everything that depends on the skill's bytes alone, and the bytes as one bundle."""

    name: str
    description: str
    license: str | None
    compatibility: str | None
    metadata: dict[str, Any]
    digest: str
    files: tuple[File, ...]
    linked_files: tuple[File, ...]
    total_bytes: int
    variables: tuple[Variable, ...]
    warnings: tuple[str, ...]
    bundle: bytes


def assemble(tree: Tree, match: Match, repo: str, limits: Limits) -> Assembly:
    """Read and measure the matched skill. Raises SkillTooLargeError or
    SkillUnreadableError.
    """
    selection = select(tree, match.directory, match.file, limits)
    head = front_matter.parse(selection.skill_md)
    name = head.name[:_MAX_SHOWN_NAME] or leaf(match.directory) or repo
    variables, about_variables = environment.variables(head)
    files = selection.files
    contents = [(file.path, file.mode, file.content) for file in files]
    declared = {variable.name for variable in variables}
    about_variables += environment.hints(((f.path, f.content) for f in files), declared)
    about_itself = _about_itself(head, name, leaf(match.directory))
    return Assembly(
        name=name,
        description=(head.description or _first_line(head.body))[:_MAX_SHOWN],
        license=head.text("license")[:_MAX_NOTE] or None,
        compatibility=head.text("compatibility")[:_MAX_NOTE] or None,
        metadata=_shown(head.metadata),
        digest=skill_digest(contents),
        files=tuple(_measured(file) for file in files if not file.is_linked),
        linked_files=tuple(_measured(file) for file in files if file.is_linked),
        total_bytes=sum(len(file.content) for file in files if not file.is_linked),
        variables=tuple(variables),
        warnings=(
            *head.warnings,
            *about_itself,
            *selection.warnings,
            *about_variables,
            *_lfs(files),
        ),
        bundle=pack(contents),
    )


def _shown(metadata: dict[str, Any]) -> dict[str, Any]:
    """The metadata, unless it is longer than anybody reads."""
    return metadata if len(json.dumps(metadata)) <= _MAX_METADATA else {}


def _measured(file: SkillFile) -> File:
    sha256 = hashlib.sha256(file.content).hexdigest()
    return File(file.path, len(file.content), file.mode, sha256)


def _first_line(body: str) -> str:
    lines = (line.strip() for line in body.split("\n"))
    return next(
        (line for line in lines if line and not line.startswith(("#", "<!--", "---"))), ""
    )[:300]


def _about_itself(head: FrontMatter, name: str, directory: str) -> list[str]:
    notes = []
    if head.fields and not head.name:
        notes.append("The front matter gives no usable name: the directory's is used.")
    if head.fields and not head.description:
        notes.append("The front matter gives no description.")
    if len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        notes.append(
            "The name is outside of the specification (a-z, 0-9 and single hyphens, up to 64)."
        )
    elif directory and name != directory:
        notes.append(f"The name differs from its directory, {directory[:80]!r}.")
    if len(head.description) > _MAX_DESCRIPTION:
        notes.append("The description is longer than the specification allows.")
    return notes + _about_platforms(head)


def _about_platforms(head: FrontMatter) -> list[str]:
    value = head.fields.get("platforms")
    named = value if isinstance(value, list) else [value]
    platforms = [word.lower() for word in named if isinstance(word, str) and word]
    if not platforms or _LINUX & set(platforms):
        return []
    return [f"The skill says it is for {', '.join(platforms)[:80]}: here it runs on Linux."]


def _lfs(files: Sequence[SkillFile]) -> list[str]:
    pointers = [file.path for file in files if file.content.startswith(_LFS)]
    return [
        f"{path!r} is a Git LFS pointer: the file itself is not included." for path in pointers[:5]
    ]
