"""Skills before they run: resolve a ref, list a repository, read a file. Nothing starts here."""

import base64
import binascii
import mimetypes
from datetime import timedelta
from typing import Annotated

from common.contracts.skills import (
    LIST_REPOSITORY,
    READ_SKILL_FILE,
    RESOLVE,
    Digest,
    ListRepository,
    ReadSkillFile,
    RepositorySkills,
    ResolvedSkill,
    ResolveSkill,
    SkillFileContent,
)
from common.errors import InternalError
from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from gateway.endpoints.dependencies import ERRORS, ServicesDep, anyone

router = APIRouter(tags=["skills"], responses=ERRORS, dependencies=[Depends(anyone)])

FETCH = timedelta(seconds=60)
_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_FOR_EVER = "private, max-age=31536000, immutable"


@router.get("/api/skills/resolve")
async def resolve(
    services: ServicesDep, ref: Annotated[str, Query(min_length=1, max_length=2000)]
) -> ResolvedSkill:
    """The skill that `ref` means now, pinned to a commit and its bytes, with its safety report."""
    return await services.call(RESOLVE, ResolveSkill(ref=ref), within=FETCH)


@router.get("/api/repos/{owner}/{repo}/skills")
async def repository(
    services: ServicesDep,
    owner: Annotated[str, Path(max_length=100)],
    repo: Annotated[str, Path(max_length=100)],
    ref: Annotated[str | None, Query(max_length=250)] = None,
) -> RepositorySkills:
    """Every skill of a repository."""
    request = ListRepository(owner=owner, repo=repo, ref=ref)
    return await services.call(LIST_REPOSITORY, request, within=FETCH)


@router.get("/api/skills/{digest}/files/{path:path}", response_class=Response)
async def skill_file(
    services: ServicesDep, digest: Digest, path: Annotated[str, Path(max_length=1000)]
) -> Response:
    """One file of a resolved skill, as its bytes; `X-Truncated` when it is longer than 512 KiB."""
    found = await services.call(READ_SKILL_FILE, ReadSkillFile(digest=digest, path=path))
    return file_response(found)


def file_response(found: SkillFileContent) -> Response:
    """A file of a stranger: shown as text or as an image, never as a page that acts."""
    content = _decoded(found)
    kind = mimetypes.guess_type(found.path)[0]
    headers = {
        "Cache-Control": _FOR_EVER,
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if found.truncated:
        headers["X-Truncated"] = "true"
    if kind in _IMAGES:
        return Response(content, media_type=kind, headers=headers)
    if _is_text(content):
        return Response(content, media_type="text/plain; charset=utf-8", headers=headers)
    headers["Content-Disposition"] = "attachment"
    return Response(content, media_type="application/octet-stream", headers=headers)


def _decoded(found: SkillFileContent) -> bytes:
    try:
        return base64.b64decode(found.content_base64, validate=True)
    except binascii.Error as exc:
        message = "a file arrived damaged"
        raise InternalError(message) from exc


def _is_text(content: bytes) -> bool:
    # The end of a truncated file may cut a character in two.
    text = content.decode("utf-8", errors="replace").rstrip("\N{REPLACEMENT CHARACTER}")
    return "\0" not in text and "\N{REPLACEMENT CHARACTER}" not in text
