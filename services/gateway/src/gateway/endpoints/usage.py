"""What models cost the caller, and the caller's own limit."""

from typing import Annotated

from common.contracts.chat import GET_USAGE, SET_CAP, GetUsage, SetCap, TokenCap, UsageReport
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from gateway.endpoints.dependencies import ERRORS, OwnerDep, ServicesDep

router = APIRouter(prefix="/api/usage", tags=["usage"], responses=ERRORS)


class CapBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    daily_tokens: int | None = Field(ge=1, le=1_000_000_000_000)


@router.get("")
async def get(
    services: ServicesDep, owner_id: OwnerDep, days: Annotated[int, Query(ge=1, le=366)] = 30
) -> UsageReport:
    """Tokens by day and by session, as they passed the model relay, and the caps."""
    return await services.call(GET_USAGE, GetUsage(owner_id=owner_id, days=days))


@router.put("/cap")
async def set_cap(services: ServicesDep, owner_id: OwnerDep, body: CapBody) -> TokenCap:
    """Your own limit of tokens a day, or `null` for none. A used-up one refuses the next turn and
    never cuts a running one.
    """
    request = SetCap(owner_id=owner_id, daily_tokens=body.daily_tokens)
    return await services.call(SET_CAP, request)
