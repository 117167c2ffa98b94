"""What an owner has: the sandbox, conversations, trials, and what models cost."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from common.contracts.chat import (
    GET_USAGE,
    LIST_SESSIONS,
    SET_CAP,
    GetUsage,
    ListSessions,
    Session,
    SetCap,
)
from common.contracts.sandbox import (
    DELETE_SANDBOX,
    GET_SANDBOX,
    LIST_TRIALS,
    REMOVE_SKILL,
    STOP_SANDBOX,
    LaunchState,
    OwnerRequest,
    RemoveSkill,
    Trial,
)
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from gateway.endpoints.dependencies import EdgeDep, OwnerDep, ServicesDep
from gateway.web.pages.route import PageRoute, field, form_of, if_there, see
from gateway.web.rendering import chat_url, fragment, macro, page, skill_url

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_DONE = {
    "stopping": "Your sandbox is stopping.",
    "deleting": "Your sandbox is being deleted.",
    "removed": "The skill is removed.",
    "cap": "Your limit is set.",
}
_UNDER_WAY = frozenset({LaunchState.PENDING, LaunchState.RUNNING})


@dataclass(frozen=True)
class Named:
    """Something that goes on, and where to watch it."""

    title: str
    url: str


@dataclass(frozen=True)
class Doing:
    """What a sandbox is busy with."""

    launch: Named | None
    sessions: list[Named]


@router.get("/dashboard")
async def dashboard(
    edge: EdgeDep,
    owner_id: OwnerDep,
    q: Annotated[str, Query(max_length=200)] = "",
    cursor: Annotated[str, Query(max_length=100)] = "",
    done: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    services, owner = edge.services, OwnerRequest(owner_id=owner_id)
    wanted = ListSessions(owner_id=owner_id, query=q.strip() or None, cursor=cursor or None)
    sandbox, sessions, trials, usage = await asyncio.gather(
        if_there(services.call(GET_SANDBOX, owner)),
        if_there(services.call(LIST_SESSIONS, wanted)),
        if_there(services.call(LIST_TRIALS, owner)),
        if_there(services.call(GET_USAGE, GetUsage(owner_id=owner_id))),
    )
    listed = sessions.sessions if sessions else []
    return page(
        "dashboard.html",
        sandbox=sandbox,
        doing=_doing(listed, trials.trials if trials else []),
        is_isolated=sandbox is None or sandbox.isolation != "none",
        sessions=None if sessions is None else listed,
        next_cursor=sessions.next_cursor if sessions else None,
        trials=None if trials is None else trials.trials,
        usage=usage,
        limits=edge.admission.limits if edge.admission else {},
        q=q,
        cursor=cursor,
        done=_DONE.get(done, ""),
    )


@router.get("/ui/sandbox")
async def sandbox_card(services: ServicesDep, owner_id: OwnerDep) -> Response:
    """The sandbox alone, for a page that is open while something goes on in it."""
    owner = OwnerRequest(owner_id=owner_id)
    sandbox, sessions, trials = await asyncio.gather(
        if_there(services.call(GET_SANDBOX, owner)),
        if_there(services.call(LIST_SESSIONS, ListSessions(owner_id=owner_id))),
        if_there(services.call(LIST_TRIALS, owner)),
    )
    doing = _doing(sessions.sessions if sessions else [], trials.trials if trials else [])
    return fragment(macro("_dashboard.html", "card")(sandbox, doing))


@router.post("/ui/sandbox/stop")
async def stop(services: ServicesDep, owner_id: OwnerDep) -> Response:
    await services.call(STOP_SANDBOX, OwnerRequest(owner_id=owner_id))
    return see("/dashboard?done=stopping")


@router.post("/ui/sandbox/delete")
async def delete(services: ServicesDep, owner_id: OwnerDep) -> Response:
    await services.call(DELETE_SANDBOX, OwnerRequest(owner_id=owner_id))
    return see("/dashboard?done=deleting")


@router.post("/ui/sandbox/skills")
async def remove_skill(request: Request, services: ServicesDep, owner_id: OwnerDep) -> Response:
    form = await form_of(request)
    asked = RemoveSkill(owner_id=owner_id, skill=field(form, "directory"))
    await services.call(REMOVE_SKILL, asked)
    return see("/dashboard?done=removed")


@router.post("/ui/usage/cap")
async def set_cap(request: Request, services: ServicesDep, owner_id: OwnerDep) -> Response:
    """An empty field takes the limit away."""
    tokens = (await form_of(request)).get("daily_tokens", "").strip()
    asked = SetCap.model_validate({"owner_id": owner_id, "daily_tokens": tokens or None})
    await services.call(SET_CAP, asked)
    return see("/dashboard?done=cap#usage")


def _doing(sessions: Sequence[Session], trials: Sequence[Trial]) -> Doing:
    launches = [_launch(trial) for trial in trials if trial.state in _UNDER_WAY]
    answering = [Named(one.title, chat_url(one)) for one in sessions if one.turn_id]
    return Doing(launches[0] if launches else None, answering)


def _launch(trial: Trial) -> Named:
    skill = trial.skill
    url = skill_url(skill.owner, skill.repo, skill.path, skill.name)
    return Named(skill.name, f"{url}?launch={trial.launch_id}")
