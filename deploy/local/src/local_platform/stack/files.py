"""Files that are whole or not there."""

import os
from pathlib import Path


def write_private(path: Path, content: str | bytes) -> None:
    """Replace `path` in one step by a file that only its owner may read."""
    data = content.encode() if isinstance(content, str) else content
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
