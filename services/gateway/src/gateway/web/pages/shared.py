"""A shared session: a plain page to read, with nothing on it that acts."""

from fastapi import APIRouter
from starlette.responses import Response

from gateway.endpoints.dependencies import ServicesDep
from gateway.endpoints.sharing import UNLISTED, ShareToken, shared_pages
from gateway.model.transcript import Transcript
from gateway.web.live import Rendered
from gateway.web.pages.route import PageRoute
from gateway.web.rendering import TO_READ, page, skill_url

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/shared/{token}")
async def shared(services: ServicesDep, token: ShareToken) -> Response:
    pages = await shared_pages(services, token)
    transcript = Transcript()
    for one in pages:
        for entry in one.entries:
            transcript.apply(entry.model_dump(mode="json"))
    last = pages[-1]
    skill = last.skill
    response = page(
        "shared.html",
        policy=TO_READ,
        shared=last,
        transcript=transcript,
        rendered=Rendered(),
        here=skill_url(skill.owner, skill.repo, skill.path, skill.name),
    )
    response.headers.update(UNLISTED)
    return response
