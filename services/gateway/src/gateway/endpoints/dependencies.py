"""What routes ask for: the caller's owner id, the services, a place in a journal."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any

from common.errors import ForbiddenError, UnauthenticatedError
from common.health import Check
from fastapi import Depends, Header, Query, Request

from gateway.endpoints.event_stream import MOST_AFTER, resume_from
from gateway.endpoints.limited import OWNER
from gateway.endpoints.problems import Problem
from gateway.endpoints.session_cookie import Cookies
from gateway.model.identity import Caller, Issuer, Scope
from gateway.ports import Bodies, RawAgents, Services
from gateway.service.admission import Admission
from gateway.service.identity import Authenticator
from gateway.service.login import Login
from gateway.service.viewing import Viewers

ERRORS: dict[int | str, dict[str, Any]] = {
    "default": {
        "model": Problem,
        "content": {"application/problem+json": {}},
        "description": "What went wrong, and what the caller can do",
    }
}


@dataclass(frozen=True)
class Edge:
    """What the routes are made of; on `app.state.edge`."""

    services: Services
    bodies: Bodies
    raw_agents: RawAgents
    viewers: Viewers
    authenticator: Authenticator
    auth: str
    keepalive: timedelta
    checks: Mapping[str, Check]
    example_skills: tuple[str, ...] = ()
    local_issuer: Issuer | None = None
    login: Login | None = None
    admission: Admission | None = None
    cookies: Cookies = field(default_factory=Cookies)


# These are coroutines because FastAPI sends plain functions through a thread.
async def edge_of(request: Request) -> Edge:
    edge: Edge = request.app.state.edge
    return edge


EdgeDep = Annotated[Edge, Depends(edge_of)]


async def current_caller(request: Request, edge: EdgeDep) -> Caller:
    caller = await edge.authenticator.caller(
        request.headers.get("authorization"), edge.cookies.session_of(request)
    )
    if edge.admission is not None and OWNER not in request.scope:
        await edge.admission.owner(caller.owner_id)
        request.scope[OWNER] = caller.owner_id
    return caller


CallerDep = Annotated[Caller, Depends(current_caller)]


async def current_owner(caller: CallerDep) -> str:
    """The owner of whoever may use the whole API."""
    if caller.scope is Scope.OPENAI:
        message = "this API token is for /v1 only"
        raise ForbiddenError(message)
    return caller.owner_id


async def current_client(caller: CallerDep) -> str:
    """The owner of whoever asks: of `/v1`, which every API token opens."""
    return caller.owner_id


async def current_person(caller: CallerDep) -> str:
    """The owner, where a person asks: an API token changes no keys and no tokens."""
    if caller.scope is not Scope.ALL:
        message = "an API token may not do this: log in, or send the issuer's own token"
        raise ForbiddenError(message)
    return caller.owner_id


async def current_visitor(request: Request, edge: EdgeDep) -> str | None:
    """The owner of whoever looks; None for who has not logged in. A token must hold, if sent."""
    try:
        return await current_owner(await current_caller(request, edge))
    except UnauthenticatedError:
        if "authorization" in request.headers:
            raise
        return None


async def anyone(request: Request, edge: EdgeDep) -> None:
    """No token is needed, but one that is sent must hold."""
    if "authorization" in request.headers:
        await current_caller(request, edge)


async def services_of(edge: EdgeDep) -> Services:
    return edge.services


async def bodies_of(edge: EdgeDep) -> Bodies:
    return edge.bodies


async def place(
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
    after: Annotated[int | None, Query(ge=0, le=MOST_AFTER)] = None,
) -> int:
    """The last number the client has: entries after it are sent."""
    return resume_from(last_event_id, after)


OwnerDep = Annotated[str, Depends(current_owner)]
VisitorDep = Annotated[str | None, Depends(current_visitor)]
ClientDep = Annotated[str, Depends(current_client)]
PersonDep = Annotated[str, Depends(current_person)]
BodiesDep = Annotated[Bodies, Depends(bodies_of)]
ServicesDep = Annotated[Services, Depends(services_of)]
PlaceDep = Annotated[int, Depends(place)]
IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=200)]
