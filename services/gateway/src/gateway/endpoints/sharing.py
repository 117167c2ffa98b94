"""Copies of a session: exports for its owner, read-only links for others."""

import hashlib
from datetime import datetime
from typing import Annotated

from common.contracts.chat import (
    END_SHARES,
    EXPORT_SESSION,
    GET_SHARED,
    LIST_SHARES,
    SHARE_SESSION,
    ExportFormat,
    ExportSession,
    GetShared,
    JournalEntry,
    SessionRequest,
    Share,
    SharedPage,
    ShareList,
    ShareSession,
)
from common.contracts.sandbox import LaunchSkill, Receipt
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import Scope

from gateway.endpoints.dependencies import ERRORS, BodiesDep, OwnerDep, ServicesDep
from gateway.endpoints.files import SLOW, disposition, taken
from gateway.ports import Services

router = APIRouter(tags=["copies"], responses=ERRORS)


class ForPrograms(APIRoute):
    """Leaves a browser's request to the page at the same address."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        wants_page = "text/html" in Headers(scope=scope).get("accept", "")
        return (Match.NONE, {}) if wants_page else super().matches(scope)


shared_router = APIRouter(route_class=ForPrograms, tags=["copies"], responses=ERRORS)

MOST_PAGES = 20
ShareToken = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{20,100}$")]


class ShareBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    expires_in_days: int = Field(default=30, ge=1, le=365)
    with_tools: bool = True
    with_reasoning: bool = False


class SharedLink(Share):
    """`url` holds the link's secret part, which is never shown again."""

    url: str


class SharedSession(BaseModel):
    """A session as a link shows it; `next_after` is the `after` of the next page, if any."""

    title: str
    skill: LaunchSkill
    receipt: Receipt | None
    shared_at: datetime
    expires_at: datetime
    entries: list[JournalEntry]
    next_after: int | None = None


@router.get("/api/sessions/{session_id}/export", response_class=Response)
async def export(
    services: ServicesDep,
    bodies: BodiesDep,
    owner_id: OwnerDep,
    session_id: str,
    format: ExportFormat = ExportFormat.MARKDOWN,  # noqa: A002 (the parameter's public name)
    *,
    redact: bool = True,
) -> Response:
    """The whole session as Markdown or JSON, without what looks like a credential unless
    `redact=false`.
    """
    request = ExportSession(owner_id=owner_id, session_id=session_id, format=format, redact=redact)
    made = await services.call(EXPORT_SESSION, request, within=SLOW)
    return Response(
        await taken(bodies, made.body),
        media_type=made.media_type,
        headers=disposition(made.file_name, inline=False),
    )


@router.post("/api/sessions/{session_id}/share", status_code=201)
async def share(
    request: Request,
    services: ServicesDep,
    owner_id: OwnerDep,
    session_id: str,
    body: ShareBody | None = None,
) -> SharedLink:
    """A link by which anybody reads the turns so far, redacted, until it expires or is ended."""
    asked = (body or ShareBody()).model_dump()
    made = await services.call(
        SHARE_SESSION, ShareSession(owner_id=owner_id, session_id=session_id, **asked)
    )
    url = str(request.url_for("shared", token=made.token.get_secret_value()))
    return SharedLink(url=url, **made.model_dump(exclude={"token"}))


@router.get("/api/sessions/{session_id}/share")
async def shares(services: ServicesDep, owner_id: OwnerDep, session_id: str) -> ShareList:
    """The session's links that still work; their secret parts are not kept."""
    request = SessionRequest(owner_id=owner_id, session_id=session_id)
    return await services.call(LIST_SHARES, request)


@router.delete("/api/sessions/{session_id}/share", status_code=204)
async def end_shares(services: ServicesDep, owner_id: OwnerDep, session_id: str) -> None:
    """End every link of the session."""
    request = SessionRequest(owner_id=owner_id, session_id=session_id)
    await services.call(END_SHARES, request)


@shared_router.get("/shared/{token}", name="shared")
async def shared(
    services: ServicesDep,
    token: ShareToken,
    response: Response,
    after: Annotated[int, Query(ge=0)] = 0,
) -> SharedSession:
    """What a link shows, to anybody who has it; a browser gets a page of it."""
    response.headers.update(UNLISTED)
    pages = await shared_pages(services, token, after=after, most=1)
    last = pages[-1]
    return SharedSession(
        **last.model_dump(exclude={"last_seq", "more", "entries"}),
        entries=last.entries,
        next_after=last.last_seq if last.more else None,
    )


UNLISTED = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex", "Vary": "Accept"}
"""A link is for those who were given it: no search engine, and no site that it leads to."""


async def shared_pages(
    services: Services, token: str, *, after: int = 0, most: int = MOST_PAGES
) -> list[SharedPage]:
    """What a link shows, in pieces; the last one says whether there is more."""
    sha256 = hashlib.sha256(token.encode()).hexdigest()
    pages: list[SharedPage] = []
    while len(pages) < most:
        request = GetShared(token_sha256=sha256, after=after)
        pages.append(await services.call(GET_SHARED, request))
        if not pages[-1].more:
            break
        after = pages[-1].last_seq
    return pages
