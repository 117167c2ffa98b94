"""A short private folder for unix sockets, whose paths may hold 107 bytes."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "local-daytona-"
LONGEST_FOLDER = 60
MARKER = "sockets"


@contextmanager
def sockets_folder(data_dir: Path) -> Iterator[Path]:
    """A new folder; its name is kept, so that the next start removes what a kill left behind."""
    marker = data_dir / MARKER
    if marker.exists():
        left = Path(marker.read_text())
        if left.name.startswith(PREFIX):
            shutil.rmtree(left, ignore_errors=True)
    base = tempfile.gettempdir()
    short = base if len(base) <= LONGEST_FOLDER else "/tmp"
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=short))
    marker.write_text(str(folder))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        marker.unlink(missing_ok=True)
