"""The button of a skill's page, and what follows until the chat opens."""

from common.contracts.chat import CREATE_SESSION, CreateSession
from common.contracts.keys import PUT_SECRET, PutSecret
from common.contracts.sandbox import (
    CANCEL_LAUNCH,
    GET_LAUNCH,
    START_LAUNCH,
    CancelLaunch,
    GetLaunch,
    Launch,
    LaunchState,
    StartLaunch,
)
from common.contracts.skills import GET_SKILL, GetSkill, ResolvedSkill
from common.errors import AppError, ConflictError, ForbiddenError, RateLimitedError
from fastapi import APIRouter, Request
from pydantic import SecretStr
from starlette.responses import Response

from gateway.endpoints.dependencies import EdgeDep, OwnerDep, ServicesDep
from gateway.endpoints.event_stream import EventStream
from gateway.endpoints.launches import START
from gateway.ports import Services
from gateway.service.sources import launch_source
from gateway.web.live import LaunchUpdates
from gateway.web.pages.route import PageRoute, field, form_of, own_path, see, told
from gateway.web.pages.skill import Asked, Beside, page_of_skill, variable_scope
from gateway.web.pages.watched import usual_of
from gateway.web.rendering import chat_url

router = APIRouter(prefix="/ui", route_class=PageRoute, include_in_schema=False)

_VARIABLE = "var-"


@router.post("/launches")
async def start(request: Request, services: ServicesDep, owner_id: OwnerDep) -> Response:
    """Store the variables that were entered, and launch exactly what the page showed."""
    form = await form_of(request)
    skill = await services.call(GET_SKILL, GetSkill(digest=field(form, "digest")))
    here = own_path(form.get("here", "/"))
    try:
        await _store_variables(services, owner_id, skill, form)
        launch = await _launch(services, owner_id, skill, form)
    except (ConflictError, ForbiddenError, RateLimitedError) as exc:
        return await _refused(request, services, owner_id, skill, exc)
    if launch.state is LaunchState.READY:
        return await _opened(services, owner_id, launch)
    return see(_at(here, launch))


@router.get("/launches/{launch_id}/events")
async def events(edge: EdgeDep, owner_id: OwnerDep, launch_id: str) -> Response:
    """The launch's panel, whenever it changes."""
    source = launch_source(edge.services, owner_id, launch_id)
    viewer = await edge.viewers.open(source, after=0)
    updates = LaunchUpdates(await usual_of(edge.services, owner_id))
    return EventStream(edge.viewers, viewer, keepalive=edge.keepalive, encode=updates)


@router.post("/launches/{launch_id}/cancel")
async def cancel(
    request: Request, services: ServicesDep, owner_id: OwnerDep, launch_id: str
) -> Response:
    form = await form_of(request)
    launch = await services.call(
        CANCEL_LAUNCH, CancelLaunch(owner_id=owner_id, launch_id=launch_id)
    )
    return see(_at(own_path(form.get("here", "/")), launch))


@router.post("/launches/{launch_id}/session")
async def open_session(services: ServicesDep, owner_id: OwnerDep, launch_id: str) -> Response:
    """The conversation that this launch was for: pressed twice, still one."""
    launch = await services.call(GET_LAUNCH, GetLaunch(owner_id=owner_id, launch_id=launch_id))
    return await _opened(services, owner_id, launch)


async def _opened(services: Services, owner_id: str, launch: Launch) -> Response:
    request = CreateSession(
        owner_id=owner_id, launch_id=launch.id, idempotency_key=f"page-{launch.id}"
    )
    return see(chat_url(await services.call(CREATE_SESSION, request)))


def _at(here: str, launch: Launch) -> str:
    return f"{here}{'&' if '?' in here else '?'}launch={launch.id}"


async def _store_variables(
    services: Services, owner_id: str, skill: ResolvedSkill, form: dict[str, str]
) -> None:
    asked = {variable.name for variable in skill.env_vars}
    for name, value in form.items():
        variable = name.removeprefix(_VARIABLE)
        if not name.startswith(_VARIABLE) or variable not in asked or not value:
            continue
        secret = PutSecret(
            owner_id=owner_id,
            name=variable,
            value=SecretStr(value),
            skill=variable_scope(skill),
            digest=skill.digest,
        )
        await services.call(PUT_SECRET, secret)


async def _launch(
    services: Services, owner_id: str, skill: ResolvedSkill, form: dict[str, str]
) -> Launch:
    request = StartLaunch(
        owner_id=owner_id,
        ref=form.get("ref") or skill.ref,
        digest=skill.digest,
        report_ack=form.get("report_ack") or None,
        idempotency_key=form.get("key") or None,
    )
    return await services.call(START_LAUNCH, request, within=START)


async def _refused(
    request: Request, services: Services, owner_id: str, skill: ResolvedSkill, error: AppError
) -> Response:
    """The page again, with the reason beside the button."""
    beside = Beside(Asked(), problem=told(error))
    return await page_of_skill(request, services, owner_id, skill, beside)
