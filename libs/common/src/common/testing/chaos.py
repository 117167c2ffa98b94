"""The file of `make chaos`: a part for each program that breaks things, and their sums."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

SUMS = ("cases", "lost", "doubled", "out_of_order", "left_over", "without_end")


def add_part(path: Path, name: str, part: Mapping[str, Any]) -> None:
    """Put `part` in the place of the one of that name; the other parts stay as they are."""
    stands: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    parts = {key: value for key, value in stands.items() if isinstance(value, dict)}
    parts[name] = dict(part)
    path.write_text(json.dumps({**sums(parts.values()), **parts}, indent=2) + "\n")


def sums(parts: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Of all parts together."""
    counts = list(parts)
    return {name: sum(part.get(name, 0) for part in counts) for name in SUMS}
