"""The files of a session's workspace, in its owner's sandbox."""

from datetime import timedelta
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import quote

from common.contracts.chat import FIND_SESSION, SessionRequest
from common.contracts.sandbox import (
    ARCHIVE_FILES,
    LIST_FILES,
    READ_FILE,
    WRITE_FILE,
    ArchiveFiles,
    FileEntry,
    FileList,
    FilePath,
    ListFiles,
    ReadFile,
    StoredBody,
    WriteFile,
)
from common.errors import AppError, ErrorCode, GoneError, InvalidError, TooLargeError
from fastapi import APIRouter, File, Form, Query, Response, UploadFile
from pydantic import BaseModel

from gateway.endpoints.dependencies import ERRORS, BodiesDep, OwnerDep, ServicesDep
from gateway.ports import Bodies, Services

router = APIRouter(prefix="/api/sessions/{session_id}", tags=["files"], responses=ERRORS)

MOST_BYTES = 4 * 1024 * 1024
MOST_FILES = 20
SLOW = timedelta(seconds=60)

_ASIDE = {"Content-Security-Policy": "default-src 'none'; sandbox"}


class UploadedFiles(BaseModel):
    files: list[FileEntry]


@router.get("/files")
async def list_files(
    services: ServicesDep,
    owner_id: OwnerDep,
    session_id: str,
    path: Annotated[FilePath, Query()] = "",
) -> FileList:
    """A directory of the workspace, three levels deep, at most 500 entries."""
    await check_session(services, owner_id, session_id)
    request = ListFiles(owner_id=owner_id, session_id=session_id, path=path)
    return await services.call(LIST_FILES, request)


@router.get("/files/content", response_class=Response)
async def read_file(
    services: ServicesDep,
    bodies: BodiesDep,
    owner_id: OwnerDep,
    session_id: str,
    path: Annotated[FilePath, Query(min_length=1)],
    *,
    download: bool = False,
) -> Response:
    """One file as its bytes: text up to 512 KiB, an image or other bytes up to 2 MiB."""
    await check_session(services, owner_id, session_id)
    request = ReadFile(owner_id=owner_id, session_id=session_id, path=path)
    found = await services.call(READ_FILE, request, within=SLOW)
    shown = found.media_type.startswith(("image/", "text/")) and not download
    return Response(
        await taken(bodies, found.body),
        media_type=found.media_type,
        headers=_ASIDE | disposition(PurePosixPath(path).name, inline=shown),
    )


@router.post("/files", status_code=201)
async def write_files(
    services: ServicesDep,
    bodies: BodiesDep,
    owner_id: OwnerDep,
    session_id: str,
    file: Annotated[list[UploadFile], File(max_length=MOST_FILES)],
    path: Annotated[FilePath, Form()] = "",
) -> UploadedFiles:
    """Put files into a directory of the workspace, by their own names; one that is there is
    replaced. Each may have 4 MiB.
    """
    request = SessionRequest(owner_id=owner_id, session_id=session_id)
    return UploadedFiles(files=await put_files(services, bodies, request, file, path))


async def put_files(
    services: Services,
    bodies: Bodies,
    session: SessionRequest,
    file: list[UploadFile],
    path: str = "",
) -> list[FileEntry]:
    """What was written; an error says in `written` what was before it."""
    owner_id, session_id = session.owner_id, session.session_id
    await check_session(services, owner_id, session_id)
    targets = [(_target(path, one.filename), await one.read(MOST_BYTES + 1)) for one in file]
    for target, content in targets:
        if len(content) > MOST_BYTES:
            raise TooLargeError(f"{target} is larger than 4 MiB")
    written: list[FileEntry] = []
    for target, content in targets:
        request = WriteFile(
            owner_id=owner_id,
            session_id=session_id,
            path=target,
            object_name=await bodies.put_body(content),
        )
        try:
            written.append(await services.call(WRITE_FILE, request, within=SLOW))
        except AppError as exc:
            exc.extra["written"] = [one.path for one in written]
            raise
    return written


@router.get("/files.zip", response_class=Response)
async def archive(
    services: ServicesDep, bodies: BodiesDep, owner_id: OwnerDep, session_id: str
) -> Response:
    """The whole workspace."""
    await check_session(services, owner_id, session_id)
    request = ArchiveFiles(owner_id=owner_id, session_id=session_id)
    stored = await services.call(ARCHIVE_FILES, request, within=SLOW)
    return Response(
        await taken(bodies, stored),
        media_type="application/zip",
        headers=disposition(f"{session_id}.zip", inline=False),
    )


async def check_session(services: Services, owner_id: str, session_id: str) -> None:
    """Raises NotFoundError for a session of another: its owner's sandbox is not asked."""
    await services.call(FIND_SESSION, SessionRequest(owner_id=owner_id, session_id=session_id))


async def taken(bodies: Bodies, stored: StoredBody) -> bytes:
    content = await bodies.take_body(stored.object_name)
    if content is None:
        message = "the file was not fetched in time; ask again"
        raise GoneError(message)
    return content


def disposition(name: str, *, inline: bool) -> dict[str, str]:
    """`Content-Disposition` for any name."""
    plain = "".join(char if 32 <= ord(char) < 127 and char not in '"\\' else "_" for char in name)
    kind = "inline" if inline else "attachment"
    return {"Content-Disposition": f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"}


def _target(directory: str, name: str | None) -> str:
    """Where an upload goes: its name alone counts, whatever path a client sends with it."""
    own = (name or "").replace("\\", "/").rpartition("/")[2]
    if own in ("", ".", "..") or any(ord(char) < 32 for char in own):
        message = "an uploaded file needs a name"
        raise InvalidError(message, code=ErrorCode.PATH_REFUSED)
    return f"{directory.strip('/')}/{own}" if directory.strip("/") else own
