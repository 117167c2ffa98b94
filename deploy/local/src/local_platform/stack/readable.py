"""Log lines for a person."""

import json
from typing import Any

_SHOWN = ("time", "level", "service", "logger", "message", "exception")


def readable(line: str) -> str:
    """A service's JSON as the time, who says it, what, and the facts; any other line as it is."""
    try:
        said: Any = json.loads(line)
    except ValueError:
        return line
    if not isinstance(said, dict) or "message" not in said:
        return line
    clock, level = str(said.get("time", ""))[11:23], str(said.get("level", ""))
    loud = "" if level in {"info", "debug"} else f"{level.upper()} "
    facts = " ".join(f"{name}={value}" for name, value in said.items() if name not in _SHOWN)
    text = f"{clock} {said.get('service', ''):15} {loud}{said['message']}  {facts}".rstrip()
    return f"{text}\n{said['exception']}" if "exception" in said else text
