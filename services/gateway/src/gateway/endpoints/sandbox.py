"""The caller's sandbox."""

from typing import Annotated

from common.contracts.sandbox import (
    DELETE_SANDBOX,
    GET_SANDBOX,
    HEARTBEAT,
    REMOVE_SKILL,
    STOP_SANDBOX,
    OwnerRequest,
    RemoveSkill,
    Sandbox,
)
from fastapi import APIRouter, Path

from gateway.endpoints.dependencies import ERRORS, OwnerDep, ServicesDep

router = APIRouter(tags=["sandbox"], responses=ERRORS)


@router.get("/api/sandbox")
async def get(services: ServicesDep, owner_id: OwnerDep) -> Sandbox:
    return await services.call(GET_SANDBOX, OwnerRequest(owner_id=owner_id))


@router.post("/api/sandbox/heartbeat")
async def heartbeat(services: ServicesDep, owner_id: OwnerDep) -> Sandbox:
    """A sign of life from an open page: keeps the sandbox from being stopped."""
    return await services.call(HEARTBEAT, OwnerRequest(owner_id=owner_id))


@router.post("/api/sandbox/stop", status_code=202)
async def stop(services: ServicesDep, owner_id: OwnerDep) -> Sandbox:
    """Stop it; its disk stays."""
    return await services.call(STOP_SANDBOX, OwnerRequest(owner_id=owner_id))


@router.delete("/api/sandbox", status_code=202)
async def delete(services: ServicesDep, owner_id: OwnerDep) -> Sandbox:
    """Delete it with its disk."""
    return await services.call(DELETE_SANDBOX, OwnerRequest(owner_id=owner_id))


@router.delete("/api/sandbox/skills/{path:path}")
async def remove_skill(
    services: ServicesDep, owner_id: OwnerDep, path: Annotated[str, Path(max_length=400)]
) -> Sandbox:
    """Remove an installed skill by its path, `owner/repo/path`, or its directory."""
    return await services.call(REMOVE_SKILL, RemoveSkill(owner_id=owner_id, skill=path))
