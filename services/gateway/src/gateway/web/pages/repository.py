"""A repository's skills, to pick from; the only one is shown at once."""

from typing import Annotated

from common.contracts.skills import LIST_REPOSITORY, ListRepository
from fastapi import APIRouter, Query
from starlette.responses import Response

from gateway.endpoints.dependencies import ServicesDep, VisitorDep
from gateway.endpoints.skills import FETCH
from gateway.web.pages.route import PageRoute, see
from gateway.web.paths import REPOSITORY
from gateway.web.rendering import page, skill_url

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get(REPOSITORY)
async def repository(
    services: ServicesDep,
    visitor: VisitorDep,
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
    return page("repository.html", found=found, shown=shown, q=q, visitor=visitor)
