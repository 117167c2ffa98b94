"""Files coming in and going out, one or many, without holding one in memory."""

import asyncio
import errno
import json
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from aiohttp import BodyPartReader, MultipartReader, web

from .errors import ToolboxError, bad_request, envelope, from_os_error
from .requests import body_of, path_of, strings

CHUNK = 256 * 1024
BOUNDARY = "DAYTONA-FILE-BOUNDARY"
MAX_PATH = 64 * 1024


class Draft:
    """A file written beside its destination; a broken upload leaves the old file as it was."""

    def __init__(self, destination: Path) -> None:
        destination.parent.mkdir(parents=True, exist_ok=True)
        self._target = Path(os.path.realpath(destination))
        if self._target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(destination))
        self._path = self._target.parent / f".upload-{secrets.token_hex(8)}"
        self._file = self._path.open("xb")

    def write(self, chunk: bytes) -> int:
        return self._file.write(chunk)

    def keep(self) -> None:
        self._file.close()
        self._path.replace(self._target)

    def discard(self) -> None:
        with suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)


async def write_file(destination: Path, chunks: AsyncIterator[bytes]) -> int:
    draft = Draft(destination)
    written = 0
    try:
        async for chunk in chunks:
            written += await asyncio.to_thread(draft.write, chunk)
        draft.keep()
    except BaseException:
        draft.discard()
        raise
    return written


async def chunks_of(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(CHUNK):
        yield bytes(chunk)


@dataclass
class Upload:
    """One bulk upload: the paths announced so far, what was written, what went wrong."""

    paths: dict[str, str] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    async def take(self, part: BodyPartReader) -> None:
        index, _, kind = (part.name or "").removeprefix("files[").partition("].")
        if kind == "path":
            self.paths[index] = await self._path(part)
        elif kind == "file":
            await self._file(index, part)

    async def _path(self, part: BodyPartReader) -> str:
        raw = b""
        while chunk := await part.read_chunk(CHUNK):
            raw += chunk
            if len(raw) > MAX_PATH:
                msg = "a path is too long"
                raise bad_request(msg)
        return raw.decode().strip()

    async def _file(self, index: str, part: BodyPartReader) -> None:
        path = self.paths.get(index)
        if not path or "\0" in path:
            self.errors.append(f"files[{index}].file: no usable path was sent before it")
            return
        try:
            written = await write_file(Path(path), chunks_of(part))
        except OSError as error:
            self.errors.append(f"{path}: {error.strerror or error}")
        else:
            self.files.append({"path": path, "bytes": written})


async def parts_of(request: web.Request) -> AsyncIterator[BodyPartReader]:
    if not request.content_type.startswith("multipart/"):
        msg = "the body is not a multipart form"
        raise bad_request(msg)
    reader = await request.multipart()
    while part := await reader.next():
        if isinstance(part, MultipartReader):
            msg = "a form inside a form is not taken"
            raise bad_request(msg)
        yield part
        await part.release()


async def bulk_upload(request: web.Request) -> web.Response:
    upload = Upload()
    async for part in parts_of(request):
        await upload.take(part)
    if upload.errors:
        return web.json_response({"errors": upload.errors, "files": upload.files}, status=400)
    return web.json_response({"files": upload.files})


async def upload(request: web.Request) -> web.Response:
    """Take the first file of a form; the path is in the query, because a signature covers it."""
    path = path_of(request)
    async for part in parts_of(request):
        if part.filename is not None or part.name == "file":
            written = await write_file(path, chunks_of(part))
            return web.json_response({"path": str(path), "bytes": written})
    msg = "the form holds no file"
    raise bad_request(msg)


async def download(request: web.Request) -> web.StreamResponse:
    path = path_of(request)
    open_file(str(path)).close()
    disposition = f"attachment; filename*=utf-8''{quote(path.name, safe='')}"
    headers = {"Content-Disposition": disposition, "Content-Type": "application/octet-stream"}
    return web.FileResponse(path, headers=headers)


def open_file(path: str) -> IO[bytes]:
    if "\0" in path or Path(path).is_dir():
        raise ToolboxError(400, "INVALID_FILE_PATH", f"{path!r} is not a file")
    return Path(path).open("rb")


def part_head(kind: str, path: str, content_type: str, length: int) -> bytes:
    plain = path.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "").replace("\n", "")
    return (
        f"--{BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="{kind}"; filename="{plain}"; '
        f"filename*=utf-8''{quote(path, safe='')}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


async def send_file(answer: web.StreamResponse, path: str) -> None:
    """One part; a file that shrinks while it is read is filled up, so the frame stays true."""
    with open_file(path) as file:
        left = os.fstat(file.fileno()).st_size
        await answer.write(part_head("file", path, "application/octet-stream", left))
        while left > 0:
            chunk = await asyncio.to_thread(file.read, min(CHUNK, left))
            await answer.write(chunk or b"\0" * min(CHUNK, left))
            left -= len(chunk) or min(CHUNK, left)
    await answer.write(b"\r\n")


async def send_error(answer: web.StreamResponse, path: str, error: ToolboxError) -> None:
    body = json.dumps(envelope(error.status, error.code, str(error))).encode()
    await answer.write(part_head("error", path, "application/json", len(body)) + body + b"\r\n")


async def bulk_download(request: web.Request) -> web.StreamResponse:
    paths = strings(await body_of(request), "paths")
    if not paths:
        msg = "paths is required"
        raise bad_request(msg)
    answer = web.StreamResponse()
    # Set by hand: the client compares the media type and boundary to the letter.
    answer.headers["Content-Type"] = f"multipart/form-data; boundary={BOUNDARY}"
    await answer.prepare(request)
    for path in paths:
        try:
            await send_file(answer, path)
        except ConnectionError:
            raise
        except OSError as error:
            await send_error(answer, path, from_os_error(error))
        except ToolboxError as error:
            await send_error(answer, path, error)
    await answer.write(f"--{BOUNDARY}--\r\n".encode())
    await answer.write_eof()
    return answer
