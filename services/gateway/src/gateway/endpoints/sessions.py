"""Sessions: conversations with a skill, their turns, approvals and events."""

from typing import Annotated

from common.contracts.chat import (
    ANSWER_APPROVAL,
    CREATE_SESSION,
    DELETE_SESSION,
    GET_SESSION,
    GET_TURN,
    LIST_SESSIONS,
    RENAME_SESSION,
    START_TURN,
    STOP_TURN,
    AnswerApproval,
    Approval,
    ApprovalChoice,
    CreateSession,
    ListSessions,
    RenameSession,
    Session,
    SessionDetail,
    SessionList,
    SessionRequest,
    StartTurn,
    Turn,
    TurnRequest,
)
from common.contracts.sandbox import FilePath
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.endpoints.dependencies import (
    ERRORS,
    EdgeDep,
    IdempotencyKey,
    OwnerDep,
    PlaceDep,
    ServicesDep,
)
from gateway.endpoints.event_stream import EventStream
from gateway.service.sources import session_source

router = APIRouter(prefix="/api/sessions", tags=["sessions"], responses=ERRORS)


class SessionBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    launch_id: str = Field(max_length=100)


class TitleBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str = Field(min_length=1, max_length=200)


class TurnBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=100_000)
    attachments: list[FilePath] = Field(default=[], max_length=20)


class ChoiceBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    choice: ApprovalChoice


@router.post("", status_code=201)
async def create(
    services: ServicesDep,
    owner_id: OwnerDep,
    body: SessionBody,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> Session:
    """A conversation with the skill of a launch that is ready."""
    request = CreateSession(
        owner_id=owner_id, launch_id=body.launch_id, idempotency_key=idempotency_key
    )
    session = await services.call(CREATE_SESSION, request)
    response.headers["Location"] = f"/api/sessions/{session.id}"
    return session


@router.get("")
async def sessions(
    services: ServicesDep,
    owner_id: OwnerDep,
    q: Annotated[str | None, Query(max_length=200)] = None,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
) -> SessionList:
    """Your sessions without messages, the last changed first, 100 at once; `q` finds words of the
    title and of what was said, `cursor` is the list's `next_cursor`.
    """
    request = ListSessions(owner_id=owner_id, query=q or None, cursor=cursor or None)
    return await services.call(LIST_SESSIONS, request)


@router.get("/{session_id}")
async def get(services: ServicesDep, owner_id: OwnerDep, session_id: str) -> SessionDetail:
    request = SessionRequest(owner_id=owner_id, session_id=session_id)
    return await services.call(GET_SESSION, request)


@router.patch("/{session_id}")
async def rename(
    services: ServicesDep, owner_id: OwnerDep, session_id: str, body: TitleBody
) -> Session:
    request = RenameSession(owner_id=owner_id, session_id=session_id, title=body.title)
    return await services.call(RENAME_SESSION, request)


@router.delete("/{session_id}", status_code=204)
async def delete(services: ServicesDep, owner_id: OwnerDep, session_id: str) -> None:
    request = SessionRequest(owner_id=owner_id, session_id=session_id)
    await services.call(DELETE_SESSION, request)


@router.post("/{session_id}/turns", status_code=202)
async def start_turn(
    services: ServicesDep,
    owner_id: OwnerDep,
    session_id: str,
    body: TurnBody,
    idempotency_key: IdempotencyKey = None,
) -> Turn:
    """Say something; the answer comes as the session's events. `attachments` are paths of files
    that were put into the workspace before.
    """
    request = StartTurn(
        owner_id=owner_id,
        session_id=session_id,
        text=body.text,
        attachments=body.attachments,
        idempotency_key=idempotency_key,
    )
    return await services.call(START_TURN, request)


@router.get("/{session_id}/turns/{turn_id}")
async def get_turn(
    services: ServicesDep, owner_id: OwnerDep, session_id: str, turn_id: str
) -> Turn:
    request = TurnRequest(owner_id=owner_id, session_id=session_id, turn_id=turn_id)
    return await services.call(GET_TURN, request)


@router.post("/{session_id}/turns/{turn_id}/stop", status_code=202)
async def stop_turn(
    services: ServicesDep, owner_id: OwnerDep, session_id: str, turn_id: str
) -> Turn:
    """Stop answering; what was said so far stays."""
    request = TurnRequest(owner_id=owner_id, session_id=session_id, turn_id=turn_id)
    return await services.call(STOP_TURN, request)


@router.post("/{session_id}/approvals/{approval_id}")
async def answer_approval(
    services: ServicesDep,
    owner_id: OwnerDep,
    session_id: str,
    approval_id: str,
    body: ChoiceBody,
) -> Approval:
    """Answer the agent's question; the first answer counts."""
    request = AnswerApproval(
        owner_id=owner_id, session_id=session_id, approval_id=approval_id, choice=body.choice
    )
    return await services.call(ANSWER_APPROVAL, request)


@router.get("/{session_id}/events", response_class=Response)
async def events(edge: EdgeDep, owner_id: OwnerDep, session_id: str, after: PlaceDep) -> Response:
    """The session's entries as server-sent events, numbered; resume with `Last-Event-ID` or
    `after`.
    """
    source = session_source(edge.services, owner_id, session_id)
    viewer = await edge.viewers.open(source, after=after)
    return EventStream(edge.viewers, viewer, keepalive=edge.keepalive)
