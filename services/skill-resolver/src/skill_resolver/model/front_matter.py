"""The head of a SKILL.md: fences, YAML, and what is made of it when it is not quite YAML.

Read leniently, as the specification's client guide asks: line ends of any kind, a byte order mark,
blank lines first, a fence with trailing spaces or at the end of the file. What is wrong becomes a
warning, not a refusal.
"""

import codecs
import json
import re
from dataclasses import dataclass, field
from typing import Any

from skill_resolver.model.yaml_subset import YamlError, load

MAX_FRONT_MATTER = 64 * 1024
_MAX_WARNINGS = 10
_FENCE = re.compile(r"---[ \t]*")
_CLOSING = re.compile(r"(?:---|\.\.\.)[ \t]*")
_PAIR = re.compile(r"([A-Za-z][\w-]*)[ \t]*:(?:[ \t]+(.*))?")
_KEEPS_OWN_FORM = re.compile(r"""["'\[{|>]""")


@dataclass(frozen=True)
class FrontMatter:
    """`fields` holds strings, lists and maps only; `name` and `description` are "" when absent or
    no text.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    body: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.text("name")

    @property
    def description(self) -> str:
        return self.text("description")

    @property
    def is_complete(self) -> bool:
        return bool(self.name and self.description)

    def text(self, key: str) -> str:
        value = self.fields.get(key)
        return value.strip() if isinstance(value, str) else ""

    @property
    def metadata(self) -> dict[str, Any]:
        """The `metadata` map; some write it as JSON in a string."""
        value = self.fields.get("metadata")
        if isinstance(value, str) and value.lstrip().startswith("{"):
            try:
                value, _ = load(value)
            except YamlError:
                return {}
        return value if isinstance(value, dict) else {}


def parse(content: bytes) -> FrontMatter:
    """Read the head of a SKILL.md; never raises."""
    text, warnings = decode(content)
    text = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\n")
    head, body = split(text)
    if head is None:
        return FrontMatter(body=text, warnings=(*warnings, "SKILL.md has no front matter."))
    if len(head) > MAX_FRONT_MATTER:
        return FrontMatter(
            body=body, warnings=(*warnings, "The front matter is too large to read.")
        )
    fields, more = _fields(head)
    return FrontMatter(fields=fields, body=body, warnings=(*warnings, *more[:_MAX_WARNINGS]))


def decode(content: bytes) -> tuple[str, tuple[str, ...]]:
    """The text of a file in whatever encoding it is, and a warning where it is not UTF-8."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace"), ("SKILL.md is in UTF-16, not UTF-8.",)
    try:
        return content.decode("utf-8-sig"), ()
    except UnicodeDecodeError:
        return content.decode("latin-1"), ("SKILL.md is not valid UTF-8.",)


def split(text: str) -> tuple[str | None, str]:
    """Front matter and body; None where there is no closed pair of fences."""
    lines = text.split("\n")
    if not _FENCE.fullmatch(lines[0]):
        return None, text
    for number, line in enumerate(lines[1:], start=1):
        if _CLOSING.fullmatch(line):
            return "\n".join(lines[1:number]), "\n".join(lines[number + 1 :])
    return None, text


def _fields(head: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    for attempt, warning in (
        (head, ""),
        (_quoted(head), "The front matter is not valid YAML; it was read leniently."),
    ):
        try:
            value, notes = load(attempt)
        except YamlError:
            continue
        if isinstance(value, dict):
            return value, (*((warning,) if warning else ()), *notes)
        return {}, ("The front matter is not a map of names to values.",)
    return _line_by_line(head), ("The front matter is not valid YAML; it was read line by line.",)


def _quoted(head: str) -> str:
    """Quote every plain value at the top level, where an unquoted colon, @ or backtick breaks
    YAML.
    """
    lines = []
    for line in head.replace("\t", "  ").split("\n"):
        pair = _PAIR.fullmatch(line)
        value = (pair[2] or "").strip() if pair else ""
        if pair and value and not _KEEPS_OWN_FORM.match(value):
            lines.append(f"{pair[1]}: {json.dumps(value, ensure_ascii=False)}")
        else:
            lines.append(line)
    return "\n".join(lines)


def _line_by_line(head: str) -> dict[str, Any]:
    """`key: value` lines with their continuation lines; the last resort."""
    found: dict[str, Any] = {}
    key = ""
    for line in head.split("\n"):
        pair = _PAIR.fullmatch(line)
        if pair:
            key = pair[1]
            found[key] = re.sub(r"^[|>][+-]?$", "", (pair[2] or "").strip()).strip("\"'")
        elif key and line[:1] in {" ", "\t"}:
            found[key] = f"{found[key]} {line.strip()}".strip()
    return found
