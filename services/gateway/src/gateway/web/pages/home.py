"""The start page: one field that takes anything, examples, what was tried last."""

import asyncio
import re
from datetime import timedelta
from typing import Annotated
from urllib.parse import quote

from common.contracts.sandbox import LIST_TRIALS, OwnerRequest, Trial
from common.contracts.skills import RESOLVE, ResolvedSkill, ResolveSkill
from common.errors import AppError, ErrorCode
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from gateway.endpoints.dependencies import EdgeDep, VisitorDep
from gateway.endpoints.skills import FETCH
from gateway.ports import Services
from gateway.web.pages.route import PageRoute, if_there, is_isolated, see, told
from gateway.web.paths import ADDRESS
from gateway.web.rendering import page, skill_url

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_EXAMPLE = timedelta(seconds=3)
_TRIALS = 5
_PINNED = ("#", "/tree/", "/blob/", "raw.githubusercontent.com", "@")
_WHOLE_REPOSITORY = re.compile(
    r"(?:https?://)?(?:(?:www\.)?(?:github\.com|skills\.sh)/)?"
    r"(?P<owner>[A-Za-z0-9-]+)/(?P<repo>[A-Za-z0-9._-]+?)(?:\.git)?/?"
)


@router.get("/")
async def home(
    request: Request,
    edge: EdgeDep,
    visitor: VisitorDep,
    ref: Annotated[str, Query(max_length=2000)] = "",
) -> Response:
    ref = ref.strip()
    refusal: AppError | None = None
    if ref:
        try:
            skill = await edge.services.call(RESOLVE, ResolveSkill(ref=ref), within=FETCH)
            return see(page_of(skill, ref))
        except AppError as exc:
            if repository := _repository(ref, exc):
                return see(repository)
            refusal = exc
    examples, trials, isolated = await asyncio.gather(
        _examples(edge.services, edge.example_skills),
        _trials(edge.services, visitor),
        is_isolated(edge.services, visitor),
    )
    found = None if refusal is None else told(refusal)
    return page(
        "home.html",
        status=found["status"] if found else 200,
        ref=ref,
        problem=found,
        examples=examples,
        trials=trials,
        is_isolated=isolated,
        visitor=visitor,
        base=str(request.base_url).rstrip("/"),
        host=request.headers.get("host", ""),
    )


@router.get(ADDRESS)
async def address(request: Request) -> Response:
    """Our host in front of a whole address of another site: what that address names."""
    words = re.sub(r"^(https?):/+", r"\1://", request.url.path.lstrip("/"))
    return see(f"/?ref={quote(words)}")


def page_of(skill: ResolvedSkill, ref: str) -> str:
    """The skill's page; a ref that says more than the page's path goes with it."""
    path = skill_url(skill.owner, skill.repo, skill.path, skill.name)
    return f"{path}?ref={quote(ref)}" if any(mark in ref for mark in _PINNED) else path


def _repository(ref: str, refusal: AppError) -> str | None:
    """A repository with several skills is no mistake: its page lets one be picked."""
    found = _WHOLE_REPOSITORY.fullmatch(ref)
    if found is None or refusal.code is not ErrorCode.SKILL_AMBIGUOUS:
        return None
    return f"/{found['owner']}/{found['repo']}"


async def _examples(services: Services, refs: tuple[str, ...]) -> list[ResolvedSkill]:
    async def example(ref: str) -> ResolvedSkill | None:
        try:
            return await services.call(RESOLVE, ResolveSkill(ref=ref), within=_EXAMPLE)
        except AppError:
            return None

    found = await asyncio.gather(*(example(ref) for ref in refs))
    return [skill for skill in found if skill is not None]


async def _trials(services: Services, visitor: str | None) -> list[Trial]:
    if visitor is None:
        return []
    found = await if_there(services.call(LIST_TRIALS, OwnerRequest(owner_id=visitor)))
    return found.trials[:_TRIALS] if found else []
