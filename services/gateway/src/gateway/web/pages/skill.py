"""A skill before it runs, and while it is launched; a repository's skills to pick from. Visiting
starts nothing.
"""

import asyncio
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from common.clock import utc_now
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
    LIST_REPOSITORY,
    RESOLVE,
    Digest,
    GetSkill,
    ListRepository,
    ResolvedSkill,
    ResolveSkill,
)
from common.ids import new_id
from common.providers import PROVIDERS
from fastapi import APIRouter, Query, Request
from markupsafe import Markup
from pydantic import BaseModel, Field
from starlette.responses import HTMLResponse, Response

from gateway.endpoints.dependencies import EdgeDep, OwnerDep, ServicesDep
from gateway.endpoints.skills import FETCH
from gateway.model.progress import Phase, Progress
from gateway.ports import Services
from gateway.web.pages.chat import chat_page
from gateway.web.pages.route import PageRoute, if_there, is_isolated, see
from gateway.web.pages.viewer import show
from gateway.web.paths import REPOSITORY, SKILL
from gateway.web.rendering import macro, page, skill_url

router = APIRouter(route_class=PageRoute, include_in_schema=False)

# A launch that has just ended goes on into the chat; an old one is looked at.
_FRESH = timedelta(minutes=1)


class Asked(BaseModel):
    """What a skill's page shows besides the skill: a file of it, a launch, or a conversation."""

    ref: str | None = Field(default=None, max_length=2000)
    file: str | None = Field(default=None, max_length=1000)
    launch: str | None = Field(default=None, max_length=100)
    session: str | None = Field(default=None, max_length=100)


@router.get("/ui/skills/{digest}/file")
async def file(
    services: ServicesDep, digest: Digest, path: Annotated[str, Query(max_length=1000)]
) -> Response:
    """The file viewer alone, for a page that is open."""
    return HTMLResponse(macro("_skill.html", "viewer")(await show(services, digest, path)))


@router.get(REPOSITORY)
async def repository(
    services: ServicesDep,
    owner: str,
    repo: str,
    q: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    found = await services.call(
        LIST_REPOSITORY, ListRepository(owner=owner, repo=repo), within=FETCH
    )
    if len(found.skills) == 1:
        only = found.skills[0]
        return see(skill_url(found.owner, found.repo, only.path, only.name))
    words = q.lower().split()
    shown = [
        skill
        for skill in found.skills
        if all(word in f"{skill.name} {skill.description} {skill.path}".lower() for word in words)
    ]
    return page("repository.html", found=found, shown=shown, q=q)


@router.get(SKILL)
async def skill_page(
    request: Request,
    edge: EdgeDep,
    owner_id: OwnerDep,
    asked: Annotated[Asked, Query()],
) -> Response:
    if asked.session:
        return await chat_page(edge, owner_id, asked.session)
    launched: Launch | None = None
    if asked.launch:
        of_launch = GetLaunch(owner_id=owner_id, launch_id=asked.launch)
        launched = await edge.services.call(GET_LAUNCH, of_launch)
    words = asked.ref or request.url.path.strip("/")
    skill = await _skill(edge.services, words, launched)
    context = await skill_context(edge.services, owner_id, skill, ref=asked.ref, file=asked.file)
    panel = None if launched is None else _watched(launched, context)
    base = str(request.base_url).rstrip("/")
    return page("skill.html", **context, launch=panel, problem=None, base=base)


async def skill_context(
    services: Services, owner_id: str, skill: ResolvedSkill, *, ref: str | None, file: str | None
) -> dict[str, Any]:
    """What the page of a skill shows, besides a launch or a problem."""
    settings, secrets, shown, isolated = await asyncio.gather(
        if_there(services.call(GET_SETTINGS, GetSettings(owner_id=owner_id))),
        if_there(services.call(LIST_SECRETS, ListSecrets(owner_id=owner_id))),
        show(services, skill.digest, file or _manual(skill)),
        is_isolated(services, owner_id),
    )
    stored = secrets.secrets if secrets else []
    here = skill_url(skill.owner, skill.repo, skill.path, skill.name)
    query = urlencode({"ref": ref}) if ref else ""
    provider = PROVIDERS.get(settings.provider) if settings else None
    return {
        "skill": skill,
        "settings": settings,
        "provider": provider,
        "lacks_key": _lacks_key(settings, stored),
        "secrets": _variables(skill, stored),
        "shown": shown,
        "is_isolated": isolated,
        "key": new_id("key"),
        "here": f"{here}?{query}" if query else here,
        "here_with": f"{here}?{query}&" if query else f"{here}?",
    }


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


def _watched(launched: Launch, context: dict[str, Any]) -> Markup:
    retry = {
        "ref": launched.ref,
        "digest": launched.skill.digest,
        "report_ack": launched.skill.digest,
        "here": context["here"],
        "key": new_id("key"),
    }
    is_fresh = launched.ended_at is not None and utc_now() - launched.ended_at < _FRESH
    watched = macro("_launch.html", "watched")
    return watched(progress_of(launched), launched.id, context["here"], retry, is_fresh)


def progress_of(launched: Launch) -> Progress:
    phases = [
        Phase(
            name=phase.name,
            state=phase.state,
            started=phase.started_at.isoformat(),
            took=(phase.ended_at - phase.started_at).total_seconds() if phase.ended_at else None,
            detail=phase.detail,
        )
        for phase in launched.phases
    ]
    error = launched.error.model_dump(mode="json") if launched.error else None
    return Progress(state=launched.state, path=launched.path, phases=phases, error=error)
