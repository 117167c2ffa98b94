"""The content address of a skill: one SHA-256 over its files, the same wherever it is computed."""

import hashlib
from collections.abc import Iterable

EXECUTABLE = 0o755
PLAIN = 0o644


def skill_digest(files: Iterable[tuple[str, int, bytes]]) -> str:
    """The digest of `(path, mode, content)` triples, in any order.

    Each file, sorted by the UTF-8 bytes of its path, adds: the path's length in bytes, a colon,
    the path, the mode as six octal digits, the content's length, a colon, the content. The lengths
    make the encoding unambiguous. `mode` is 0644 or 0755: nothing else of a file's mode is kept.
    """
    hasher = hashlib.sha256()
    for path, mode, content in sorted(files, key=lambda file: file[0].encode()):
        name = path.encode()
        hasher.update(b"%d:%b%06o%d:" % (len(name), name, mode, len(content)))
        hasher.update(content)
    return f"sha256:{hasher.hexdigest()}"
