"""YAML as far as front matter needs it: maps, lists and strings, with limits that hostile input
cannot pass.

Every scalar stays the text that was written (`yes`, `2026-01-01` and `1.0` are strings, as authors
mean them); an empty plain scalar, `null` and `~` are None. Tags are ignored, so nothing is ever
constructed. The values are built from parse events on a stack of our own: neither deep nesting nor
an alias that stands for a billion nodes costs more than the limits below.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_DEPTH = 24
MAX_ALIASES = 100
MAX_NODES = 20_000
MAX_TEXT = 256 * 1024
_NULLS = {"", "~", "null", "Null", "NULL"}
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlError(Exception):
    """Not YAML, or more of it than is read."""


def load(text: str) -> tuple[Any, tuple[str, ...]]:
    """The first document as plain values, and warnings."""
    builder = _Builder()
    try:
        for event in _events(text):
            builder.take(event)
    except yaml.YAMLError as exc:
        msg = "not YAML"
        raise YamlError(msg) from exc
    return builder.root, tuple(builder.warnings)


def _events(text: str) -> Iterator[Any]:
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.DocumentEndEvent):
            return
        yield event


@dataclass
class _Open:
    """A collection being filled; in a map `key` waits for its value, `height` is the deepest
    nesting inside.
    """

    value: list[Any] | dict[str, Any]
    anchor: str | None
    nodes_before: int
    text_before: int
    key: str | None = None
    height: int = 1


@dataclass(frozen=True)
class _Anchored:
    """A value that an alias may stand for, and what each such alias costs."""

    value: Any
    nodes: int
    text: int
    height: int


@dataclass
class _Builder:
    root: Any = None
    warnings: list[str] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, "_Anchored"] = field(default_factory=dict)
    nodes: int = 0
    text: int = 0
    aliases: int = 0

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._open(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor)

    def _scalar(self, event: Any) -> None:
        plain = not event.style
        value = None if plain and event.value in _NULLS else event.value
        self._remember(event.anchor, _Anchored(value, 1, len(event.value), 0))
        self._count(1, len(event.value))
        self._add(value, 0)

    def _open(self, event: Any) -> None:
        self._check_depth(1)
        value: list[Any] | dict[str, Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._count(1, 0)
        self.stack.append(_Open(value, event.anchor, self.nodes, self.text))

    def _close(self) -> None:
        done = self.stack.pop()
        nodes, text = self.nodes - done.nodes_before + 1, self.text - done.text_before
        self._remember(done.anchor, _Anchored(done.value, nodes, text, done.height))
        self._add(done.value, done.height)

    def _alias(self, anchor: str | None) -> None:
        """An anchor that is still open refers to itself: it is not remembered yet, so it is
        refused here.
        """
        self.aliases += 1
        if self.aliases > MAX_ALIASES or anchor is None or anchor not in self.anchors:
            msg = "too many aliases, or one without an anchor"
            raise YamlError(msg)
        again = self.anchors[anchor]
        self._count(again.nodes, again.text)
        self._check_depth(again.height)
        self._add(again.value, again.height)

    def _check_depth(self, more: int) -> None:
        if len(self.stack) + more > MAX_DEPTH:
            msg = "nested too deep"
            raise YamlError(msg)

    def _count(self, nodes: int, text: int) -> None:
        self.nodes += nodes
        self.text += text
        if self.nodes > MAX_NODES or self.text > MAX_TEXT:
            msg = "too large"
            raise YamlError(msg)

    def _remember(self, anchor: str | None, value: "_Anchored") -> None:
        if anchor is not None:
            self.anchors[anchor] = value

    def _add(self, value: Any, height: int) -> None:
        if not self.stack:
            self.root = value
            return
        top = self.stack[-1]
        top.height = max(top.height, height + 1)
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.key is None:
            top.key = value if isinstance(value, str) else ("" if value is None else "?")
        else:
            self._pair(top.value, top.key, value)
            top.key = None

    def _pair(self, mapping: dict[str, Any], key: str, value: Any) -> None:
        if key in mapping:
            self.warnings.append(f"The front matter says {key[:60]!r} twice; the last one counts.")
        mapping[key] = value
