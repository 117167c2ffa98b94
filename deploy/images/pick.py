"""Print those requirements of the lock, hashes included, that standard input names.

`uv pip compile` says which packages a service needs, the lock which bytes they are.
"""

import re
import sys
from pathlib import Path

_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)==", re.M)


def picked(lock: str, names: str) -> str:
    wanted = set(_REQUIREMENT.findall(names))
    entries = re.split(r"\n(?=\S)", lock)
    # One name may have several entries, for Pythons of different versions.
    named = [(match[1], entry) for entry in entries if (match := _REQUIREMENT.match(entry))]
    if missing := sorted(wanted - {name for name, _ in named}):
        sys.exit(f"not in the lock: {', '.join(missing)} (make lock)")
    return "\n".join(entry for name, entry in named if name in wanted) + "\n"


if __name__ == "__main__":
    sys.stdout.write(picked(Path(sys.argv[1]).read_text(), sys.stdin.read()))
