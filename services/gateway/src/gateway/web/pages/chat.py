"""The conversation: its page, its stream of updates, and what is done in it."""

import asyncio
from datetime import timedelta
from typing import Annotated

from common.contracts.chat import (
    ANSWER_APPROVAL,
    ATTACH,
    CREATE_SESSION,
    DELETE_SESSION,
    GET_SESSION,
    RENAME_SESSION,
    START_TURN,
    STOP_TURN,
    AnswerApproval,
    ApprovalChoice,
    Attach,
    CreateSession,
    RenameSession,
    SessionRequest,
    StartTurn,
    TurnRequest,
)
from common.contracts.keys import GET_SETTINGS, GetSettings
from common.errors import InvalidError
from common.ids import new_id
from fastapi import APIRouter, Header, Query, Request
from markupsafe import escape
from starlette.responses import HTMLResponse, Response

from gateway.endpoints.dependencies import Edge, EdgeDep, OwnerDep, ServicesDep
from gateway.endpoints.event_stream import EventStream
from gateway.model.transcript import Transcript
from gateway.ports import Services
from gateway.service.sources import session_source
from gateway.web.live import ChatUpdates, Place, Rendered
from gateway.web.pages.route import PageRoute, field, form_of, if_there, is_isolated, see
from gateway.web.rendering import chat_url, page, partial, skill_url

router = APIRouter(prefix="/ui/sessions", route_class=PageRoute, include_in_schema=False)

_WHOLE = timedelta(seconds=20)


async def chat_page(edge: Edge, owner_id: str, session_id: str) -> Response:
    """The conversation so far; the stream goes on from exactly there."""
    asked = SessionRequest(owner_id=owner_id, session_id=session_id)
    session = await edge.services.call(GET_SESSION, asked)
    transcript = await _transcript(edge.services, owner_id, session_id)
    settings, isolated = await asyncio.gather(
        if_there(edge.services.call(GET_SETTINGS, GetSettings(owner_id=owner_id))),
        is_isolated(edge.services, owner_id),
    )
    last = transcript.turns[-1] if transcript.turns else None
    skill = session.skill
    return page(
        "chat.html",
        session=session,
        transcript=transcript,
        rendered=Rendered(session_id),
        place=Place.of(transcript),
        running=last.id if last and last.state == "running" else "",
        settings=settings,
        is_isolated=isolated,
        key=new_id("key"),
        here=skill_url(skill.owner, skill.repo, skill.path, skill.name),
    )


async def _transcript(services: Services, owner_id: str, session_id: str) -> Transcript:
    transcript = Transcript()
    has_more = True
    while has_more:
        request = Attach(owner_id=owner_id, session_id=session_id, after=transcript.last)
        found = await services.call(ATTACH, request, within=_WHOLE)
        for entry in found.entries:
            transcript.apply(entry.model_dump(mode="json"))
        has_more = found.more and bool(found.entries)
    return transcript


@router.post("")
async def create(request: Request, services: ServicesDep, owner_id: OwnerDep) -> Response:
    """Another conversation with the skill of a launch."""
    form = await form_of(request)
    asked = CreateSession(
        owner_id=owner_id,
        launch_id=field(form, "launch_id"),
        idempotency_key=form.get("key") or new_id("key"),
    )
    session = await services.call(CREATE_SESSION, asked)
    return see(chat_url(session))


@router.get("/{session_id}/events")
async def events(
    edge: EdgeDep,
    owner_id: OwnerDep,
    session_id: str,
    from_: Annotated[str, Query(alias="from", max_length=40)] = "0.0",
    last_event_id: Annotated[str | None, Header(max_length=40)] = None,
) -> Response:
    """The conversation's updates for a page that stands at a place in it."""
    place = Place.read(last_event_id or from_)
    source = session_source(edge.services, owner_id, session_id)
    viewer = await edge.viewers.open(source, after=place.origin)
    updates = ChatUpdates(session_id, place)
    return EventStream(
        edge.viewers, viewer, keepalive=edge.keepalive, encode=updates, rest_s=updates.rest_s
    )


@router.post("/{session_id}/turns")
async def start_turn(
    request: Request, services: ServicesDep, owner_id: OwnerDep, session_id: str
) -> Response:
    form = await form_of(request)
    asked = StartTurn(
        owner_id=owner_id,
        session_id=session_id,
        text=field(form, "text"),
        attachments=[str(path) for path in (await request.form()).getlist("attachment")],
        idempotency_key=form.get("key") or None,
    )
    await services.call(START_TURN, asked)
    if "hx-request" not in request.headers:
        return await _back(services, owner_id, session_id)
    key = f'<input type="hidden" name="key" id="key" value="{new_id("key")}">'
    updates = [
        partial("#key", key, swap="outerHTML"),
        partial("#composer-problem", "", swap="innerHTML"),
        partial("#attached", "", swap="innerHTML"),
    ]
    if form.get("first"):
        named = SessionRequest(owner_id=owner_id, session_id=session_id)
        title = (await services.call(GET_SESSION, named)).title
        updates.append(partial("#title", escape(title), swap="innerHTML"))
    return HTMLResponse("".join(updates), status_code=202)


@router.post("/{session_id}/turns/{turn_id}/stop")
async def stop_turn(
    request: Request, services: ServicesDep, owner_id: OwnerDep, session_id: str, turn_id: str
) -> Response:
    asked = TurnRequest(owner_id=owner_id, session_id=session_id, turn_id=turn_id)
    await services.call(STOP_TURN, asked)
    return await _done(request, services, owner_id, session_id)


@router.post("/{session_id}/approvals/{approval_id}")
async def answer(
    request: Request, services: ServicesDep, owner_id: OwnerDep, session_id: str, approval_id: str
) -> Response:
    form = await form_of(request)
    if form.get("choice") not in set(ApprovalChoice):
        message = "The answer is none of the choices."
        raise InvalidError(message)
    asked = AnswerApproval(
        owner_id=owner_id,
        session_id=session_id,
        approval_id=approval_id,
        choice=ApprovalChoice(form["choice"]),
    )
    await services.call(ANSWER_APPROVAL, asked)
    return await _done(request, services, owner_id, session_id)


@router.post("/{session_id}/rename")
async def rename(
    request: Request, services: ServicesDep, owner_id: OwnerDep, session_id: str
) -> Response:
    form = await form_of(request)
    asked = RenameSession(owner_id=owner_id, session_id=session_id, title=field(form, "title"))
    await services.call(RENAME_SESSION, asked)
    return see("/dashboard#sessions")


@router.post("/{session_id}/delete")
async def delete(services: ServicesDep, owner_id: OwnerDep, session_id: str) -> Response:
    await services.call(DELETE_SESSION, SessionRequest(owner_id=owner_id, session_id=session_id))
    return see("/dashboard#sessions")


async def _done(request: Request, services: Services, owner_id: str, session_id: str) -> Response:
    """The stream shows what came of it; without scripts the page is shown again."""
    if "hx-request" in request.headers:
        return Response(status_code=204)
    return await _back(services, owner_id, session_id)


async def _back(services: Services, owner_id: str, session_id: str) -> Response:
    asked = SessionRequest(owner_id=owner_id, session_id=session_id)
    session = await services.call(GET_SESSION, asked)
    return see(chat_url(session))
