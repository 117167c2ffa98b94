"""What an owner has: the sandbox, conversations, trials."""

import asyncio
from typing import Annotated

from common.contracts.chat import LIST_SESSIONS, ListSessions
from common.contracts.sandbox import (
    DELETE_SANDBOX,
    GET_SANDBOX,
    LIST_TRIALS,
    REMOVE_SKILL,
    STOP_SANDBOX,
    OwnerRequest,
    RemoveSkill,
)
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from gateway.endpoints.dependencies import OwnerDep, ServicesDep
from gateway.web.pages.route import PageRoute, field, form_of, if_there, see
from gateway.web.rendering import page

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/dashboard")
async def dashboard(
    services: ServicesDep, owner_id: OwnerDep, q: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    owner = OwnerRequest(owner_id=owner_id)
    wanted = ListSessions(owner_id=owner_id, query=q.strip() or None)
    sandbox, sessions, trials = await asyncio.gather(
        if_there(services.call(GET_SANDBOX, owner)),
        if_there(services.call(LIST_SESSIONS, wanted)),
        if_there(services.call(LIST_TRIALS, owner)),
    )
    return page(
        "dashboard.html",
        sandbox=sandbox,
        is_isolated=sandbox is None or sandbox.isolation != "none",
        sessions=None if sessions is None else sessions.sessions,
        trials=None if trials is None else trials.trials,
        q=q,
    )


@router.post("/ui/sandbox/stop")
async def stop(services: ServicesDep, owner_id: OwnerDep) -> Response:
    await services.call(STOP_SANDBOX, OwnerRequest(owner_id=owner_id))
    return see("/dashboard")


@router.post("/ui/sandbox/delete")
async def delete(services: ServicesDep, owner_id: OwnerDep) -> Response:
    await services.call(DELETE_SANDBOX, OwnerRequest(owner_id=owner_id))
    return see("/dashboard")


@router.post("/ui/sandbox/skills")
async def remove_skill(request: Request, services: ServicesDep, owner_id: OwnerDep) -> Response:
    form = await form_of(request)
    asked = RemoveSkill(owner_id=owner_id, skill=field(form, "directory"))
    await services.call(REMOVE_SKILL, asked)
    return see("/dashboard")
