"""Which paths of an archive or a directory are taken over, and why the others are not."""

import unicodedata

MAX_PATH_BYTES = 1000
MAX_PART_BYTES = 255
MAX_DEPTH = 40


def refusal(path: str) -> str:
    """Why `path` (relative, with `/`) is left out; "" when it is safe everywhere."""
    if (
        not path
        or path.startswith("/")
        or (len(path) > 1 and path[1] == ":" and path[0].isalpha())
    ):
        return "an absolute path"
    if "\\" in path:
        return "a backslash in its path"
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in path):
        return "control characters or invalid UTF-8 in its path"
    return _refused_parts(path.split("/"), len(path.encode()))


def _refused_parts(parts: list[str], size: int) -> str:
    if size > MAX_PATH_BYTES or any(len(part.encode()) > MAX_PART_BYTES for part in parts):
        return "too long a path"
    if len(parts) > MAX_DEPTH:
        return "too deep a path"
    if any(part in {"", ".", ".."} for part in parts):
        return "a path that leads elsewhere"
    if any(part.lower().rstrip(". ") == ".git" for part in parts):
        return "a place in .git"
    return ""


def parent(path: str) -> str:
    return path.rpartition("/")[0]


def leaf(path: str) -> str:
    return path.rpartition("/")[2]


def join(*parts: str) -> str:
    return "/".join(part for part in parts if part)


def normal(path: str) -> str | None:
    """`path` without `.` and `..`; None where it leaves the root or is absolute."""
    if path.startswith("/"):
        return None
    found: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not found:
                return None
            found.pop()
        elif part not in {"", "."}:
            found.append(part)
    return "/".join(found)
