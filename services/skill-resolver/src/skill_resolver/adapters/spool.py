"""Contents one after another in one unnamed temporary file, read back by their place.

The file is closed when nothing refers to the spool any more, never under a reader.
"""

import os
import tempfile
import weakref

from skill_resolver.errors import SkillUnreadableError


class Spool:
    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by the finalizer)
        weakref.finalize(self, self._file.close)
        self.size = 0

    def add(self, content: bytes) -> int:
        """Append; the place is where it begins."""
        place = self.size
        self._file.write(content)
        self.size += len(content)
        return place

    def read(self, place: int, size: int) -> bytes:
        self._file.flush()
        content = os.pread(self._file.fileno(), size, place)
        if len(content) != size:
            msg = "A file that was fetched cannot be read any more."
            raise SkillUnreadableError(msg)
        return content
