"""The files of a conversation's workspace: beside the chat, and as a page of their own."""

from typing import Annotated, Any

from common.contracts.chat import GET_SESSION, SessionRequest
from common.contracts.sandbox import (
    LIST_FILES,
    READ_FILE,
    FileEntry,
    FilePath,
    ListFiles,
    ReadFile,
)
from common.errors import AppError
from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from starlette.responses import HTMLResponse, Response

from gateway.endpoints.dependencies import BodiesDep, EdgeDep, OwnerDep, ServicesDep
from gateway.endpoints.files import MOST_FILES, SLOW, check_session, put_files, taken
from gateway.model.workspace import files_in, tree_of
from gateway.ports import Bodies, Services
from gateway.web.pages.route import PageRoute, is_update, page_note, see
from gateway.web.pages.viewer import Shown, filled
from gateway.web.rendering import chat_url, file_url, files_url, ident, macro, page, partial

router = APIRouter(
    prefix="/ui/sessions/{session_id}/files", route_class=PageRoute, include_in_schema=False
)


@router.get("")
async def listed(
    request: Request,
    services: ServicesDep,
    owner_id: OwnerDep,
    session_id: str,
    path: Annotated[FilePath, Query()] = "",
) -> Response:
    """A directory, three levels deep; a sandbox that sleeps says so in its place."""
    session = SessionRequest(owner_id=owner_id, session_id=session_id)
    await check_session(services, owner_id, session_id)
    tree = await _tree(services, session, path)
    if is_update(request):
        return HTMLResponse(tree)
    return await _page(services, session, tree)


@router.get("/shown")
async def shown(
    request: Request,
    services: ServicesDep,
    bodies: BodiesDep,
    owner_id: OwnerDep,
    session_id: str,
    path: Annotated[FilePath, Query(min_length=1)],
) -> Response:
    """One file as a page shows it, or why it is not shown."""
    session = SessionRequest(owner_id=owner_id, session_id=session_id)
    await check_session(services, owner_id, session_id)
    file = await _file(services, bodies, session, path)
    viewer = macro("_workspace.html", "viewer")(file, session_id)
    if is_update(request):
        return HTMLResponse(viewer)
    return await _page(services, session, viewer)


@router.post("")
async def put(
    request: Request,
    edge: EdgeDep,
    owner_id: OwnerDep,
    session_id: str,
    file: Annotated[list[UploadFile], File(max_length=MOST_FILES)],
    *,
    attach: Annotated[bool, Form()] = False,
) -> Response:
    """Put files into the workspace; `attach` lets the next message name them."""
    session = SessionRequest(owner_id=owner_id, session_id=session_id)
    if not is_update(request):
        await put_files(edge.services, edge.bodies, session, file)
        return see(files_url(session_id))
    place = "#composer-problem" if attach else "#files-problem"
    try:
        written = await put_files(edge.services, edge.bodies, session, file)
    except AppError as exc:
        return HTMLResponse(partial(place, page_note(exc.detail), swap="innerHTML"))
    updates = [partial(place, "", swap="innerHTML")]
    updates.append(partial("#tree", await _tree(edge.services, session, "")))
    if attach:
        updates += _attached(written)
    return HTMLResponse("".join(updates))


def _attached(written: list[FileEntry]) -> list[str]:
    """Something attached again takes the place of what it was."""
    told = []
    for one in written:
        told.append(partial(f"#{ident('a', one.path)}", "", swap="delete"))
        chip = macro("_workspace.html", "attachment")(one)
        told.append(partial("#attached", chip, swap="beforeend"))
    return told


async def _tree(services: Services, session: SessionRequest, path: str) -> str:
    facts: dict[str, Any] = {"nodes": [], "count": 0, "is_cut": False, "problem": ""}
    asked = ListFiles(owner_id=session.owner_id, session_id=session.session_id, path=path)
    try:
        found = await services.call(LIST_FILES, asked, within=SLOW)
        facts["nodes"] = tree_of(found.entries, below=path)
        facts["count"] = files_in(found.entries)
        facts["is_cut"] = found.is_cut
    except AppError as exc:
        facts["problem"] = exc.detail
    return macro("_workspace.html", "tree")(session.session_id, path, facts)


async def _file(services: Services, bodies: Bodies, session: SessionRequest, path: str) -> Shown:
    raw = file_url(session.session_id, path)
    asked = ReadFile(owner_id=session.owner_id, session_id=session.session_id, path=path)
    try:
        found = await services.call(READ_FILE, asked, within=SLOW)
        content = await taken(bodies, found.body)
        is_image = found.media_type.startswith("image/")
        file = Shown(path, raw=raw, size=len(content), image=raw if is_image else "")
        return file if is_image else filled(file, content)
    except AppError as exc:
        return Shown(path, raw=raw, problem=exc.detail)


async def _page(services: Services, session: SessionRequest, content: str) -> Response:
    detail = await services.call(GET_SESSION, session)
    return page("workspace.html", session=detail, content=content, back=chat_url(detail))
