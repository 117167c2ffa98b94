"""The start page: one field that takes anything, examples, what was tried last."""

import asyncio
from datetime import timedelta
from typing import Annotated
from urllib.parse import quote

from common.contracts.sandbox import LIST_TRIALS, OwnerRequest, Trial
from common.contracts.skills import RESOLVE, ResolvedSkill, ResolveSkill
from common.errors import AppError
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from gateway.endpoints.dependencies import EdgeDep, OwnerDep
from gateway.endpoints.skills import FETCH
from gateway.ports import Services
from gateway.web.pages.route import PageRoute, if_there, is_isolated, see, told
from gateway.web.rendering import page, skill_url

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_EXAMPLE = timedelta(seconds=3)
_TRIALS = 5
_PINNED = ("#", "/tree/", "/blob/", "raw.githubusercontent.com", "@")


@router.get("/")
async def home(
    request: Request,
    edge: EdgeDep,
    owner_id: OwnerDep,
    ref: Annotated[str, Query(max_length=2000)] = "",
) -> Response:
    refusal: AppError | None = None
    if ref.strip():
        try:
            skill = await edge.services.call(RESOLVE, ResolveSkill(ref=ref.strip()), within=FETCH)
            return see(page_of(skill, ref.strip()))
        except AppError as exc:
            refusal = exc
    examples, trials, isolated = await asyncio.gather(
        _examples(edge.services, edge.example_skills),
        _trials(edge.services, owner_id),
        is_isolated(edge.services, owner_id),
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
        host=request.headers.get("host", ""),
    )


def page_of(skill: ResolvedSkill, ref: str) -> str:
    """The skill's page; a ref that says more than the page's path goes with it."""
    path = skill_url(skill.owner, skill.repo, skill.path, skill.name)
    return f"{path}?ref={quote(ref)}" if any(mark in ref for mark in _PINNED) else path


async def _examples(services: Services, refs: tuple[str, ...]) -> list[ResolvedSkill]:
    async def example(ref: str) -> ResolvedSkill | None:
        try:
            return await services.call(RESOLVE, ResolveSkill(ref=ref), within=_EXAMPLE)
        except AppError:
            return None

    found = await asyncio.gather(*(example(ref) for ref in refs))
    return [skill for skill in found if skill is not None]


async def _trials(services: Services, owner_id: str) -> list[Trial]:
    found = await if_there(services.call(LIST_TRIALS, OwnerRequest(owner_id=owner_id)))
    return found.trials[:_TRIALS] if found else []
