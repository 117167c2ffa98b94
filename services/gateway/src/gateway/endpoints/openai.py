"""OpenAI's API: any of its clients talks to `owner/repo/skill[@commit]` as a model."""

import asyncio
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

from common.contracts.chat import Session
from common.contracts.sandbox import (
    GET_SANDBOX,
    LIST_TRIALS,
    LaunchSkill,
    OwnerRequest,
)
from common.contracts.skills import RESOLVE, ResolveSkill
from fastapi import APIRouter, Path, Request, Response
from starlette.responses import JSONResponse

from gateway.endpoints.completion import Completion
from gateway.endpoints.dependencies import ClientDep, EdgeDep, ServicesDep
from gateway.endpoints.skills import FETCH
from gateway.model import openai
from gateway.model.completion import CompletionRequest, read
from gateway.service.completing import Completing

ERRORS: dict[int | str, dict[str, Any]] = {
    "default": {"description": "An error in OpenAI's shape, with a code of ours"}
}

router = APIRouter(prefix="/v1", tags=["openai"], responses=ERRORS)


@router.get("/models", response_class=JSONResponse)
async def models(edge: EdgeDep, services: ServicesDep, owner_id: ClientDep) -> Response:
    """The skills you have used, and the platform's examples; any other is a model, too."""
    owner = OwnerRequest(owner_id=owner_id)
    sandbox, trials = await asyncio.gather(
        services.call(GET_SANDBOX, owner),
        services.call(LIST_TRIALS, owner),
    )
    used = [(one.skill, one.installed_at) for one in sandbox.skills]
    used += [(one.skill, one.created_at) for one in trials.trials]
    listed = {ref: openai.model(ref, ref.split("/")[0]) for ref in edge.example_skills}
    for skill, at in reversed(used):
        listed[name_of(skill)] = described(skill, at)
    return JSONResponse(openai.models(list(listed.values())))


@router.get("/models/{name:path}", response_class=JSONResponse)
async def get_model(
    services: ServicesDep, _: ClientDep, name: Annotated[str, Path(max_length=2000)]
) -> Response:
    """The skill behind a name, as it is now or at the commit that the name holds."""
    found = await services.call(RESOLVE, ResolveSkill(ref=name), within=FETCH)
    return JSONResponse(
        openai.model(
            name,
            found.owner,
            int(found.resolved_at.timestamp()),
            description=found.description,
            commit=found.commit,
            digest=found.digest,
            verdict=found.report.verdict,
        )
    )


@router.post("/chat/completions", response_class=JSONResponse)
async def complete(
    request: Request, edge: EdgeDep, owner_id: ClientDep, body: CompletionRequest
) -> Response:
    """Launch the skill if that is needed, go on with the conversation, answer whole or as a
    stream. Sampling parameters are the platform's; `metadata.session_id` goes on with a session.
    """
    asked = read(body)
    completing = Completing(edge.services, edge.bodies, edge.viewers)
    base = str(request.base_url).rstrip("/")

    def page_of(session: Session) -> str:
        skill = session.skill
        place = "/".join(map(quote, (skill.owner, skill.repo, skill.path or skill.name)))
        return f"{base}/{place}?session={session.id}"

    told = completing.run(owner_id, asked, page_of)
    return Completion(asked, told, page_of, keepalive=edge.keepalive)


def name_of(skill: LaunchSkill) -> str:
    return "/".join((skill.owner, skill.repo, skill.path or skill.name))


def described(skill: LaunchSkill, at: datetime) -> dict[str, Any]:
    return openai.model(
        name_of(skill),
        skill.owner,
        int(at.timestamp()),
        commit=skill.commit,
        digest=skill.digest,
    )
