"""What routes ask for: the caller's owner id, the services, a place in a journal."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from common.health import Check
from fastapi import Depends, Header, Query, Request

from gateway.endpoints.event_stream import MOST_AFTER, resume_from
from gateway.endpoints.problems import Problem
from gateway.model.identity import Identity, Issuer
from gateway.ports import Bodies, RawAgents, Services
from gateway.service.identity import Authenticator, Owners
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
    owners: Owners
    auth: str
    keepalive: timedelta
    checks: Mapping[str, Check]
    example_skills: tuple[str, ...] = ()
    local_issuer: Issuer | None = None


# These are coroutines because FastAPI sends plain functions through a thread.
async def edge_of(request: Request) -> Edge:
    edge: Edge = request.app.state.edge
    return edge


EdgeDep = Annotated[Edge, Depends(edge_of)]


async def current_identity(request: Request, edge: EdgeDep) -> Identity:
    return await edge.authenticator.identify(request.headers.get("authorization"))


CallerDep = Annotated[Identity, Depends(current_identity)]


async def current_owner(edge: EdgeDep, identity: CallerDep) -> str:
    return await edge.owners.owner_of(identity)


async def anyone(request: Request, edge: EdgeDep) -> None:
    """No token is needed, but one that is sent must hold."""
    if "authorization" in request.headers:
        await current_identity(request, edge)


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
BodiesDep = Annotated[Bodies, Depends(bodies_of)]
ServicesDep = Annotated[Services, Depends(services_of)]
PlaceDep = Annotated[int, Depends(place)]
IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=200)]
