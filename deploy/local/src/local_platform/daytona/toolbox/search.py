"""Finding files by name and lines by text, and replacing text."""

import asyncio
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiohttp import web

from .errors import bad_request
from .requests import body_of, path_of, strings, text

MAX_LINE = 64 * 1024
PROBE = 512


def files_below(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
        return
    root.stat()
    for folder, folders, names in os.walk(root):
        folders.sort()
        yield from (Path(folder) / name for name in sorted(names))


def matching_lines(path: Path, pattern: str) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        if b"\0" in file.read(PROBE):
            return
        file.seek(0)
        for number, raw in enumerate(file, start=1):
            line = raw[:MAX_LINE].decode(errors="replace").rstrip("\r\n")
            if pattern in line:
                yield {"file": str(path), "line": number, "content": line}


def find_lines(root: Path, pattern: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for path in files_below(root):
        try:
            if path.is_file():
                found.extend(matching_lines(path, pattern))
        except OSError:
            continue
    return found


def glob_expression(pattern: str) -> re.Pattern[str]:
    """`*` and `?` stay in one folder, `**` crosses folders, `{a,b}` and `[a-z]` choose."""
    parts, at, depth = [], 0, 0
    while at < len(pattern):
        token = next(t for t in ("**/", "**", pattern[at]) if pattern.startswith(t, at))
        if token == "[" and (end := pattern.find("]", at + 2)) > 0:
            inside = pattern[at + 1 : end].replace("\\", "\\\\")
            parts.append(f"[^{inside[1:]}]" if inside[0] in "!^" else f"[{inside}]")
            at = end + 1
            continue
        depth += (token == "{") - (token == "}" and depth > 0)
        parts.append(_expression(token, in_group=depth > 0))
        at += len(token)
    try:
        return re.compile("".join(parts) + r"\Z", re.DOTALL)
    except re.error as error:
        raise bad_request(f"{pattern!r} is no glob pattern") from error


def _expression(token: str, *, in_group: bool) -> str:
    special = {"**/": "(?:[^/]*/)*", "**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:"}
    if token == "}":
        return ")"
    if token == "," and in_group:
        return "|"
    return special.get(token) or re.escape(token)


def find_names(root: Path, pattern: str) -> list[str]:
    """Files whose path below `root`, or whose bare name, matches."""
    expression = glob_expression(pattern)
    return [
        str(path)
        for path in files_below(root)
        if expression.match(path.name) or expression.match(str(path.relative_to(root)))
    ]


async def find_in_files(request: web.Request) -> web.Response:
    pattern = request.query.get("pattern", "")
    if not pattern:
        msg = "pattern is required"
        raise bad_request(msg)
    return web.json_response(await asyncio.to_thread(find_lines, path_of(request), pattern))


async def search_files(request: web.Request) -> web.Response:
    pattern = request.query.get("pattern", "")
    if not pattern:
        msg = "pattern is required"
        raise bad_request(msg)
    found = await asyncio.to_thread(find_names, path_of(request), pattern)
    return web.json_response({"files": found})


def replace_in(path: Path, pattern: str, value: str) -> dict[str, Any]:
    try:
        content = path.read_bytes()
        path.write_bytes(content.replace(pattern.encode(), value.encode()))
    except OSError as error:
        return {"file": str(path), "success": False, "error": error.strerror or str(error)}
    return {"file": str(path), "success": True}


async def replace_in_files(request: web.Request) -> web.Response:
    body = await body_of(request)
    pattern, value = text(body, "pattern"), body.get("newValue", "")
    if not isinstance(value, str):
        msg = "newValue is not a string"
        raise bad_request(msg)
    results = [
        await asyncio.to_thread(replace_in, Path(name), pattern, value)
        for name in strings(body, "files")
    ]
    return web.json_response(results)
