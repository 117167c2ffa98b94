"""Looking at files and folders, and changing them one at a time."""

import asyncio
import grp
import os
import pwd
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from .errors import ToolboxError, bad_request
from .requests import mode_of, path_of

MAX_DEPTH = 64


def describe(path: Path) -> dict[str, Any]:
    found = path.stat()
    modified = datetime.fromtimestamp(found.st_mtime, UTC).isoformat()
    return {
        "name": path.name or path.resolve().name or "/",
        "path": str(path),
        "size": found.st_size,
        "mode": stat.filemode(found.st_mode),
        "modTime": modified,
        "modifiedAt": modified,
        "isDir": stat.S_ISDIR(found.st_mode),
        "owner": str(found.st_uid),
        "group": str(found.st_gid),
        "permissions": f"{stat.S_IMODE(found.st_mode) & 0o777:04o}",
    }


def entries(folder: Path, depth: int) -> Iterator[dict[str, Any]]:
    """What is in a folder, down to `depth`; an entry that vanishes meanwhile is left out."""
    for entry in sorted(os.scandir(folder), key=lambda found: found.name):
        path = folder / entry.name
        try:
            yield describe(path)
        except OSError:
            continue
        if depth > 1 and entry.is_dir(follow_symlinks=False):
            yield from entries(path, depth - 1)


async def list_files(request: web.Request) -> web.Response:
    folder = path_of(request, default=".")
    depth = request.query.get("depth", "1")
    if not depth.isdecimal() or not 1 <= int(depth) <= MAX_DEPTH:
        raise bad_request(f"depth must be between 1 and {MAX_DEPTH}")
    found = await asyncio.to_thread(lambda: list(entries(folder, int(depth))))
    return web.json_response(found)


async def file_info(request: web.Request) -> web.Response:
    return web.json_response(describe(path_of(request)))


async def create_folder(request: web.Request) -> web.Response:
    folder = path_of(request)
    mode = mode_of(request.query.get("mode"), 0o755)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(mode)
    return web.Response(status=201)


async def delete_file(request: web.Request) -> web.Response:
    path = path_of(request)
    recursive = request.query.get("recursive", "").lower() == "true"
    is_folder = stat.S_ISDIR(path.lstat().st_mode)
    if is_folder and not recursive:
        raise bad_request(f"{path} is a directory: delete it with recursive=true")
    if is_folder:
        await asyncio.to_thread(shutil.rmtree, path)
    else:
        path.unlink()
    return web.Response(status=204)


async def move_file(request: web.Request) -> web.Response:
    source = path_of(request, "source")
    destination = path_of(request, "destination")
    source.lstat()
    destination.absolute().parent.stat()
    if destination.exists() or destination.is_symlink():
        raise ToolboxError(409, "CONFLICT", f"{destination} already exists")
    await asyncio.to_thread(shutil.move, source, destination)
    return web.Response()


async def set_permissions(request: web.Request) -> web.Response:
    path = path_of(request)
    mode = request.query.get("mode")
    owner, group = request.query.get("owner"), request.query.get("group")
    path.stat()
    if mode:
        path.chmod(mode_of(mode, 0))
    if owner or group:
        os.chown(path, user_id(owner), group_id(group))
    return web.Response()


def user_id(name: str | None) -> int:
    if not name:
        return -1
    try:
        return int(name) if name.isdecimal() else pwd.getpwnam(name).pw_uid
    except KeyError as error:
        raise bad_request(f"there is no user {name!r}") from error


def group_id(name: str | None) -> int:
    if not name:
        return -1
    try:
        return int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise bad_request(f"there is no group {name!r}") from error
