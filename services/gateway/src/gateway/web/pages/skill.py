"""A skill before it runs, and while it is launched. Visiting starts nothing."""

import asyncio
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from common.contracts.keys import (
    GET_SETTINGS,
    LIST_SECRETS,
    GetSettings,
    ListSecrets,
    OwnerSettings,
    SecretMetadata,
)
from common.contracts.sandbox import GET_LAUNCH, GetLaunch, Launch
from common.contracts.skills import (
    GET_SKILL,
    RESOLVE,
    Digest,
    GetSkill,
    ResolvedSkill,
    ResolveSkill,
)
from common.ids import new_id
from common.providers import PROVIDERS
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from gateway.endpoints.dependencies import EdgeDep, ServicesDep, VisitorDep
from gateway.endpoints.skills import FETCH
from gateway.ports import Services
from gateway.service.watching import trials_of, under_way
from gateway.web.pages.chat import chat_page
from gateway.web.pages.route import PageRoute, if_there, is_isolated, known, own_path
from gateway.web.pages.viewer import show
from gateway.web.pages.watched import watched
from gateway.web.paths import SKILL
from gateway.web.rendering import fragment, macro, page, skill_url
from gateway.web.tree import tree_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

View = Literal["", "source"]


class Asked(BaseModel):
    """What a skill's page shows besides the skill: a file of it, a launch, or a conversation."""

    ref: str | None = Field(default=None, max_length=2000)
    file: str | None = Field(default=None, max_length=1000)
    view: View = ""
    launch: str | None = Field(default=None, max_length=100)
    session: str | None = Field(default=None, max_length=100)


@router.get("/ui/skills/{digest}/file")
async def file(
    services: ServicesDep,
    digest: Digest,
    path: Annotated[str, Query(max_length=1000)],
    here: Annotated[str, Query(max_length=4000)] = "",
    view: View = "",
) -> Response:
    """The file viewer alone, for a page that is open."""
    skill = await services.call(GET_SKILL, GetSkill(digest=digest))
    shown = await show(services, skill, path, view)
    return fragment(macro("_skill.html", "viewer")(shown, skill, own_path(here)))


@router.get(SKILL)
async def skill_page(
    request: Request,
    edge: EdgeDep,
    visitor: VisitorDep,
    asked: Annotated[Asked, Query()],
) -> Response:
    if asked.session:
        return await chat_page(edge, known(visitor), asked.session)
    launch: Launch | None = None
    if asked.launch:
        of_launch = GetLaunch(owner_id=known(visitor), launch_id=asked.launch)
        launch = await edge.services.call(GET_LAUNCH, of_launch)
    skill = await _skill(edge.services, asked.ref or request.url.path.strip("/"), launch)
    if launch is None and visitor is not None and not asked.file:
        launch = await _under_way(edge.services, visitor, skill)
    return await page_of_skill(request, edge.services, visitor, skill, Beside(asked, launch))


class Beside:
    """What stands on the page beside the skill itself."""

    def __init__(
        self, asked: Asked, launch: Launch | None = None, problem: dict[str, Any] | None = None
    ) -> None:
        self.asked = asked
        self.launch = launch
        self.problem = problem


async def page_of_skill(
    request: Request,
    services: Services,
    visitor: str | None,
    skill: ResolvedSkill,
    beside: Beside,
) -> Response:
    asked = beside.asked
    here = skill_url(skill.owner, skill.repo, skill.path, skill.name)
    query = urlencode({"ref": asked.ref}) if asked.ref else ""
    whole = f"{here}?{query}" if query else here
    own, file, isolated, panel = await asyncio.gather(
        _own(services, visitor, skill),
        show(services, skill, asked.file or _manual(skill), asked.view),
        is_isolated(services, visitor),
        _panel(services, visitor, beside.launch, whole),
    )
    return page(
        "skill.html",
        status=beside.problem["status"] if beside.problem else 200,
        **own,
        skill=skill,
        tree=tree_of(skill),
        shown=file,
        is_isolated=isolated,
        visitor=visitor,
        key=new_id("key"),
        here=whole,
        here_with=f"{whole}&" if query else f"{here}?",
        path=here,
        launch=panel,
        is_moving=beside.launch is not None and beside.launch.ended_at is None,
        problem=beside.problem,
        base=str(request.base_url).rstrip("/"),
    )


async def _panel(
    services: Services, visitor: str | None, launch: Launch | None, here: str
) -> str | None:
    if launch is None or visitor is None:
        return None
    return await watched(services, visitor, launch, here)


async def _own(services: Services, visitor: str | None, skill: ResolvedSkill) -> dict[str, Any]:
    """What the owner has for the skill: a model, variables. Who has not logged in has nothing."""
    settings: OwnerSettings | None = None
    stored: list[SecretMetadata] = []
    if visitor is not None:
        settings, secrets = await asyncio.gather(
            if_there(services.call(GET_SETTINGS, GetSettings(owner_id=visitor))),
            if_there(services.call(LIST_SECRETS, ListSecrets(owner_id=visitor))),
        )
        stored = secrets.secrets if secrets else []
    return {
        "settings": settings,
        "provider": PROVIDERS.get(settings.provider) if settings else None,
        "lacks_key": _lacks_key(settings, stored),
        "secrets": _variables(skill, stored),
    }


async def _under_way(services: Services, owner_id: str, skill: ResolvedSkill) -> Launch | None:
    """A launch of exactly this that goes on already, begun in another tab or device."""
    launch_id = under_way(await trials_of(services, owner_id), skill.digest)
    if launch_id is None:
        return None
    return await services.call(GET_LAUNCH, GetLaunch(owner_id=owner_id, launch_id=launch_id))


async def _skill(services: Services, ref: str, launched: Launch | None) -> ResolvedSkill:
    """What the ref means now; beside a launch, exactly what was launched."""
    if launched is not None:
        return await services.call(GET_SKILL, GetSkill(digest=launched.skill.digest))
    return await services.call(RESOLVE, ResolveSkill(ref=ref), within=FETCH)


def _manual(skill: ResolvedSkill) -> str:
    named = (file.path for file in skill.files if file.path.lower() == "skill.md")
    return next(named, "SKILL.md")


def _lacks_key(settings: OwnerSettings | None, stored: list[SecretMetadata]) -> bool:
    provider = PROVIDERS.get(settings.provider) if settings else None
    if provider is None or not provider.is_key_required:
        return False
    return all(secret.name != provider.key_name for secret in stored)


def _variables(skill: ResolvedSkill, stored: list[SecretMetadata]) -> dict[str, SecretMetadata]:
    """The skill's stored variables; one entered for other bytes of it is asked for again."""
    name = variable_scope(skill)
    return {
        secret.name: secret
        for secret in stored
        if secret.skill == name and secret.digest in (None, skill.digest)
    }


def variable_scope(skill: ResolvedSkill) -> str:
    """The `owner/repo/path` that a variable is entered for."""
    return "/".join(part for part in (skill.owner, skill.repo, skill.path) if part)
