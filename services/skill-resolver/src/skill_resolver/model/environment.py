"""The environment variables a skill asks for, in every style in which skills declare them.

Only declarations count: the front matter's fields and, in the text, a table or list under a
heading that says "environment variables". An `export` in an example or a name in a script is a
hint, told as a warning at most.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from common.variables import is_refused

from skill_resolver.model.front_matter import FrontMatter
from skill_resolver.model.words import words

MAX_VARIABLES = 50
_MAX_EXAMPLE = 64 * 1024
_MAX_TEXT = 300
_OF_THE_PLATFORM = frozenset(
    words(
        "ANTHROPIC_API_KEY ANTHROPIC_TOKEN OPENAI_API_KEY OPENROUTER_API_KEY NOUS_API_KEY"
        " KIMI_API_KEY MINIMAX_API_KEY"
    )
)
_CLAW_KEYS = ("openclaw", "clawdbot", "moltbot", "clawdis")
_LOOSE_KEYS = ("env", "env_vars", "environment_variables", "required_env", "required_env_vars")
_LOOSE_NAME = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_EXAMPLES = (".env.example", ".env.sample", ".env.template", "env.example")
_ASSIGNED = re.compile(r"^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=", re.M)
_HEADING = re.compile(r"^#{1,6}\s+(.*)$")
_ABOUT_VARIABLES = re.compile(
    r"\b(environment\s+var|env(ironment)?\s*vars?\b|env\s+variables)", re.I
)
_ROW = re.compile(r"^\s*\|(.+)\|\s*$")
_BULLET = re.compile(r"^\s*(?:[-*+]|\d+\.)\s+(?:\*\*)?`([A-Za-z_][A-Za-z0-9_]*)`(?:\*\*)?(.*)$")
_CELL_NAME = re.compile(r"(?:\*\*)?`?([A-Z][A-Z0-9_]*[A-Z0-9])`?(?:\*\*)?")
_EXPORT = re.compile(r"^\s*export\s+([A-Z][A-Z0-9_]*(?:KEY|TOKEN|SECRET|PASSWORD))=", re.M)
_OPTIONAL = re.compile(r"\boptional\b|\bnot required\b", re.I)


@dataclass(frozen=True)
class Variable:
    """One variable; `source` is the declaration it was read from."""

    name: str
    source: str
    required: bool = True
    description: str = ""
    help_url: str | None = None


def variables(head: FrontMatter) -> tuple[list[Variable], list[str]]:
    """The variables to ask a user for, and warnings about names that are not asked for."""
    found: dict[str, Variable] = {}
    warnings: dict[str, None] = {}
    for variable in filter(lambda declared: declared.name, _declared(head)):
        refused = _refusal(variable.name)
        if refused:
            warnings[refused] = None
        elif variable.name not in found and len(found) < MAX_VARIABLES:
            found[variable.name] = variable
        elif variable.name in found:
            found[variable.name] = _merged(found[variable.name], variable)
    hints = set(_EXPORT.findall(head.body)) - set(found)
    warnings |= {
        f"The text sets {name}, which is not declared.": None for name in sorted(hints)[:5]
    }
    return list(found.values()), list(warnings)


def hints(files: Iterable[tuple[str, bytes]], declared: Collection[str]) -> list[str]:
    """Names that an example of a settings file gives and nothing declares: told, not asked for."""
    found: dict[str, None] = {}
    for path, content in files:
        if path.rpartition("/")[2].lower() in _EXAMPLES:
            names = _ASSIGNED.findall(content[:_MAX_EXAMPLE].decode("utf-8", "replace"))
            found |= dict.fromkeys(name for name in names if name not in declared)
    named = ", ".join(list(found)[:5])
    return [f"An example file sets {named}, which is not declared."] if named else []


def _merged(first: Variable, second: Variable) -> Variable:
    return replace(
        first,
        description=first.description or second.description,
        help_url=first.help_url or second.help_url,
    )


def _refusal(name: str) -> str:
    if is_refused(name):
        return f"The skill asks for {name[:60]!r}: no name that a skill may set."
    if name in _OF_THE_PLATFORM:
        return (
            f"The skill asks for {name}: the platform keeps model keys, a skill does not get them."
        )
    return ""


def _declared(head: FrontMatter) -> Iterator[Variable]:
    fields = head.fields
    source = "required_environment_variables"
    yield from _items(fields.get(source), source)
    setup = _map(fields.get("setup"))
    yield from _items(setup.get("collect_secrets"), "setup.collect_secrets")
    legacy = _map(fields.get("prerequisites"))
    yield from _items(legacy.get("env_vars"), "prerequisites.env_vars")
    for key in ("", *_CLAW_KEYS):
        place = _map(head.metadata.get(key)) if key else head.metadata
        where = f"metadata.{key}" if key else "metadata"
        yield from _items(_map(place.get("requires")).get("env"), where)
        yield from _items(place.get("primaryEnv"), where)
        yield from _items(place.get("envVars"), where)
    yield from _items(_map(fields.get("requires")).get("env"), "requires.env")
    for key in _LOOSE_KEYS:
        loose = _items(fields.get(key), key)
        yield from (variable for variable in loose if _LOOSE_NAME.fullmatch(variable.name))
    yield from _in_text(head.body)


def _items(value: Any, source: str) -> Iterator[Variable]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str):
            yield Variable(name=item.strip(), source=source)
        elif isinstance(item, dict):
            yield _from_map(item, source)


def _from_map(item: Mapping[str, Any], source: str) -> Variable:
    help_text = next((t for k in ("help", "provider_url", "url") if (t := _text(item, k))), "")
    optional = (
        _text(item, "optional").lower() == "true" or _text(item, "required").lower() == "false"
    )
    words = (_text(item, "prompt") or _text(item, "description"), _text(item, "required_for"))
    url = _https(help_text)
    description = ". ".join(word for word in (*words, "" if url else help_text) if word)
    return Variable(
        name=_text(item, "name") or _text(item, "env_var"),
        source=source,
        required=not optional,
        description=description[:_MAX_TEXT],
        help_url=url,
    )


def _https(text: str) -> str | None:
    """The link, if it is nothing but an https link with a plain host."""
    try:
        url = urlsplit(text)
        plain = url.scheme == "https" and url.hostname and not url.username and url.port is None
    except ValueError:
        return None
    is_clean = len(text) <= _MAX_TEXT and text.isprintable() and text.isascii() and " " not in text
    return text if plain and is_clean else None


def _in_text(body: str) -> Iterator[Variable]:
    """Tables and lists under a heading about environment variables; code blocks are examples."""
    inside = fenced = False
    columns: list[str] = []
    for line in body.split("\n"):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced and (heading := _HEADING.match(line)):
            inside, columns = bool(_ABOUT_VARIABLES.search(heading[1])), []
        elif inside and not fenced:
            row = _ROW.match(line)
            cells = [cell.strip() for cell in row[1].split("|")] if row else []
            columns = (columns or [cell.lower() for cell in cells]) if row else []
            yield from _of_line(line, cells, columns)


def _of_line(line: str, cells: list[str], columns: list[str]) -> Iterable[Variable]:
    if cells:
        name = _CELL_NAME.fullmatch(cells[0])
        return [_of_row(name[1], cells, columns)] if name and "_" in name[1] else []
    bullet = _BULLET.match(line)
    if bullet and "_" in bullet[1]:
        text = bullet[2].strip(" :-\u2013\u2014")
        return [Variable(bullet[1], "text", not _OPTIONAL.search(text), text[:_MAX_TEXT])]
    return []


def _of_row(name: str, cells: list[str], columns: list[str]) -> Variable:
    by_column = dict(zip(columns, cells, strict=False))
    required = by_column.get("required", "yes").strip("*`").lower()
    is_required = not required.startswith(("no", "opt", "false", "❌", "-"))
    optional = _OPTIONAL.search(" ".join(cells[1:])) is not None
    description = by_column.get("description") or by_column.get("purpose") or ""
    return Variable(name, "text", is_required and not optional, description[:_MAX_TEXT])


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key)
    return value.strip() if isinstance(value, str) else ""
