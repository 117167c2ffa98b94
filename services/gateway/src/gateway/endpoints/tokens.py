"""API tokens for programs: made by a person, shown once, revocable."""

from typing import Annotated

from common.contracts.keys import (
    CREATE_TOKEN,
    LIST_TOKENS,
    REVOKE_TOKEN,
    CreatedToken,
    CreateToken,
    ListTokens,
    RevokeToken,
    TokenId,
    TokenList,
    TokenScope,
)
from fastapi import APIRouter, Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from gateway.endpoints.dependencies import ERRORS, PersonDep, ServicesDep

router = APIRouter(prefix="/api/tokens", tags=["you"], responses=ERRORS)


class TokenBody(BaseModel):
    """`scope`: `api` for the whole API but keys, tokens and erasing yourself, `openai` for `/v1`
    alone.
    """

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    scope: TokenScope = "api"
    expires_at: AwareDatetime | None = None


@router.get("")
async def tokens(services: ServicesDep, owner_id: PersonDep) -> TokenList:
    """Your tokens, without their values."""
    return await services.call(LIST_TOKENS, ListTokens(owner_id=owner_id))


@router.post("", status_code=201)
async def create(services: ServicesDep, owner_id: PersonDep, body: TokenBody) -> CreatedToken:
    """A new token; its value is in this answer and can never be read again."""
    request = CreateToken(
        owner_id=owner_id, name=body.name, scope=body.scope, expires_at=body.expires_at
    )
    return await services.call(CREATE_TOKEN, request)


@router.delete("/{token_id}", status_code=204)
async def revoke(
    services: ServicesDep, owner_id: PersonDep, token_id: Annotated[TokenId, Path()]
) -> None:
    """From now on the token is worth nothing."""
    await services.call(REVOKE_TOKEN, RevokeToken(owner_id=owner_id, token_id=token_id))
