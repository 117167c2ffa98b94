"""Where a skill lies in a sandbox: one directory a skill, and never one for two."""

import hashlib
import re

SKILLS_ROOT = "/home/daytona/skills"
SEPARATOR = "--"

_LONGEST_NAME = 200
_HASH_LENGTH = 10
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def skill_directory(owner: str, repo: str, path: str) -> str:
    """`<owner>--<repo>--<path>`, each `/` of the path written as `--`.

    A hash is appended whenever the name alone would not tell two skills apart: a part holds the
    separator, begins or ends with a dash, or has characters that a directory should not have, or
    the name would be cut. The hash follows three dashes, which no name without one can hold.
    """
    parts = [owner, repo, *(part for part in path.split("/") if part)]
    name = SEPARATOR.join(_UNSAFE.sub("_", part) for part in parts)
    if len(name) <= _LONGEST_NAME and all(_is_plain(part) for part in parts):
        return name
    exact = "\0".join((owner, repo, path.strip("/")))
    digest = hashlib.sha256(exact.encode()).hexdigest()[:_HASH_LENGTH]
    return f"{name[:_LONGEST_NAME]}{SEPARATOR}-{digest}"


def _is_plain(part: str) -> bool:
    is_bounded = not part.startswith("-") and not part.endswith("-")
    return is_bounded and SEPARATOR not in part and not _UNSAFE.search(part)


def skill_path(owner: str, repo: str, path: str) -> str:
    """`owner/repo/path`: the name a variable is entered for."""
    return "/".join(part for part in (owner, repo, path.strip("/")) if part)


def slot(directory: str) -> str:
    """A name for `directory` that is safe as a document's key: a directory may hold dots."""
    return hashlib.sha256(directory.encode()).hexdigest()[:16]
