"""What a change of an event's schema would break.

An event is read by programs that know the schema before, and events told before are read again
(from the stream, from the archive) by programs that know the schema after. So of a published field
nothing changes; new optional fields may come. All else is a new version of the event.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Schema = Mapping[str, Any]

_ANNOTATIONS = frozenset(
    {"title", "description", "examples", "default", "deprecated", "$id", "$schema", "$comment"}
)
_WALKED = frozenset(
    {"properties", "required", "items", "anyOf", "enum", "const", "type", "$ref", "$defs"}
)


class Rule(StrEnum):
    REMOVED_EVENT = "removed event"
    REMOVED_FIELD = "removed field"
    NEW_REQUIRED_FIELD = "new required field"
    NO_LONGER_REQUIRED = "no longer required"
    NARROWED_TYPE = "narrowed type"
    WIDENED_TYPE = "widened type"
    CHANGED_ENUM = "changed enum"
    CHANGED_LIMIT = "changed limit"


@dataclass(frozen=True)
class Break:
    rule: Rule
    where: str
    detail: str

    def __str__(self) -> str:
        return f"{self.where}: {self.rule}: {self.detail}"


def breaks(published: Mapping[str, Schema], current: Mapping[str, Schema]) -> list[Break]:
    """All that `current` schemas, by type of event, break of what is published."""
    found: list[Break] = []
    for name, schema in published.items():
        if name in current:
            found += _Comparison(schema, current[name]).run(name)
        else:
            found.append(Break(Rule.REMOVED_EVENT, name, "consumers wait for it"))
    return found


@dataclass(frozen=True)
class _Comparison:
    """Two whole schemas, each with its own definitions."""

    before: Schema
    after: Schema

    def run(self, name: str) -> list[Break]:
        return list(self._compared(name, self.before, self.after))

    def _compared(self, where: str, before: Schema, after: Schema) -> Iterator[Break]:
        olds = _alternatives(before, self.before)
        news = _alternatives(after, self.after)
        for kind in olds.keys() - news.keys():
            yield Break(Rule.NARROWED_TYPE, where, f"it is {kind} no more")
        for kind in news.keys() - olds.keys():
            yield Break(Rule.WIDENED_TYPE, where, f"it may be {kind}")
        for kind in olds.keys() & news.keys():
            yield from self._same_kind(where, olds[kind], news[kind])

    def _same_kind(self, where: str, before: Schema, after: Schema) -> Iterator[Break]:
        yield from _enum(where, before, after)
        yield from _limits(where, before, after)
        yield from self._fields(where, before, after)
        if "items" in before and "items" in after:
            yield from self._compared(f"{where}[]", before["items"], after["items"])

    def _fields(self, where: str, before: Schema, after: Schema) -> Iterator[Break]:
        olds, news = before.get("properties", {}), after.get("properties", {})
        was, now = set(before.get("required", ())), set(after.get("required", ()))
        for name in sorted(olds.keys() - news.keys()):
            yield Break(Rule.REMOVED_FIELD, f"{where}.{name}", "consumers read it")
        for name in sorted(now - was):
            reason = "events told before do not have it"
            yield Break(Rule.NEW_REQUIRED_FIELD, f"{where}.{name}", reason)
        for name in sorted((was - now) & news.keys()):
            reason = "consumers rely on its being there"
            yield Break(Rule.NO_LONGER_REQUIRED, f"{where}.{name}", reason)
        for name in sorted(olds.keys() & news.keys()):
            yield from self._compared(f"{where}.{name}", olds[name], news[name])


def _alternatives(schema: Schema, root: Schema) -> dict[str, Schema]:
    """What a value may be, by JSON type; a choice of one counts as it."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return _alternatives(root["$defs"][name], root)
    if "anyOf" in schema:
        found: dict[str, Schema] = {}
        for choice in schema["anyOf"]:
            for kind, alternative in _alternatives(choice, root).items():
                # Several objects to choose from are compared in their order.
                also = sum(other.startswith(kind) for other in found)
                found[f"{kind} {also + 1}" if also else kind] = alternative
        return found
    return {str(schema.get("type", "anything")): schema}


def _enum(where: str, before: Schema, after: Schema) -> Iterator[Break]:
    was, now = _values(before), _values(after)
    if was == now:
        return
    if was is None or now is None:
        yield Break(Rule.CHANGED_ENUM, where, "the values were listed, or are now, only once")
        return
    for value in sorted(was - now):
        yield Break(Rule.CHANGED_ENUM, where, f"events told before say {value}")
    for value in sorted(now - was):
        yield Break(Rule.CHANGED_ENUM, where, f"consumers do not know {value}")


def _values(schema: Schema) -> set[str] | None:
    if "const" in schema:
        return {repr(schema["const"])}
    return {repr(value) for value in schema["enum"]} if "enum" in schema else None


def _limits(where: str, before: Schema, after: Schema) -> Iterator[Break]:
    """A pattern, a format, a length: every other word of the two schemas."""
    for word in sorted((before.keys() | after.keys()) - _ANNOTATIONS - _WALKED):
        was, now = before.get(word, "none"), after.get(word, "none")
        if was != now:
            yield Break(Rule.CHANGED_LIMIT, where, f"{word} was {was} and is {now}")
