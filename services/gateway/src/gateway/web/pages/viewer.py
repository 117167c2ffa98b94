"""A skill's file as a page shows it."""

import base64
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from urllib.parse import quote

from common.contracts.skills import (
    READ_SKILL_FILE,
    Finding,
    ReadSkillFile,
    ResolvedSkill,
    SkillFileContent,
)
from common.errors import AppError
from markupsafe import Markup

from gateway.ports import Services
from gateway.web.markdown import coloured_file, render

_MARKDOWN = frozenset({".md", ".markdown"})


@dataclass(frozen=True)
class Shown:
    """Exactly one of `html` (prose), `lines` (source), `image` (its address) and `problem`; none
    of them for other bytes.

    `findings` are those of the safety report in this file, by line.
    """

    path: str
    raw: str = ""
    size: int = 0
    is_prose: bool = False
    html: Markup | None = None
    lines: list[Markup] | None = None
    image: str = ""
    problem: str = ""
    truncated: bool = False
    findings: dict[int, Finding] | None = None


async def show(services: Services, skill: ResolvedSkill, path: str, view: str = "") -> Shown:
    """The file, or why it is not shown; `view` "source" shows markdown as it is written."""
    try:
        found = await services.call(READ_SKILL_FILE, ReadSkillFile(digest=skill.digest, path=path))
    except AppError as exc:
        return Shown(path, problem=exc.detail)
    findings = {finding.line: finding for finding in skill.report.findings if finding.file == path}
    raw = f"/api/skills/{skill.digest}/files/{quote(path)}"
    return replace(shown(found, raw, as_source=view == "source"), findings=findings)


def shown(found: SkillFileContent, raw: str, *, as_source: bool = False) -> Shown:
    file = Shown(found.path, raw=raw, size=found.size, truncated=found.truncated)
    return filled(file, base64.b64decode(found.content_base64), as_source=as_source)


def filled(file: Shown, content: bytes, *, as_source: bool = False) -> Shown:
    """The file with its content, in the way that this content is read."""
    text = content.decode("utf-8", errors="replace")
    if "\0" in text or text.count("\N{REPLACEMENT CHARACTER}") > 1:
        return file
    text = text.replace("\r\n", "\n").removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    is_prose = PurePosixPath(file.path).suffix.lower() in _MARKDOWN
    file = replace(file, is_prose=is_prose)
    if is_prose and not as_source:
        return replace(file, html=_prose(text))
    lines = coloured_file(text, file.path).rstrip("\n").split("\n")
    return replace(file, lines=[Markup(line) for line in lines])


def _prose(text: str) -> Markup:
    """Markdown; front matter is shown as what it is."""
    front, body = _split(text)
    is_shown = front and "```" not in front
    head = render(f"```yaml\n{front}\n```\n", shift=2) if is_shown else Markup()
    return head + render(body, shift=2)


def _split(text: str) -> tuple[str, str]:
    if not text.startswith("---\n"):
        return "", text
    front, fence, body = text[4:].partition("\n---")
    if not fence:
        return "", text
    return front, body.partition("\n")[2]
