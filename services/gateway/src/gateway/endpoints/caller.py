"""Who the caller is, and the local issuer's published keys."""

from common.errors import NotFoundError
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from gateway.endpoints.dependencies import ERRORS, CallerDep, EdgeDep, OwnerDep
from gateway.model.identity import Issuer

router = APIRouter(responses=ERRORS)


class Me(BaseModel):
    owner_id: str
    auth: str
    issuer: str
    subject: str


@router.get("/api/me", tags=["you"])
async def me(edge: EdgeDep, caller: CallerDep, owner_id: OwnerDep) -> Me:
    """Who you are here."""
    return Me(owner_id=owner_id, auth=edge.auth, issuer=caller.issuer, subject=caller.subject)


@router.get("/local-issuer/.well-known/jwks.json", include_in_schema=False)
async def jwks(edge: EdgeDep) -> Response:
    return JSONResponse(dict(_local_issuer(edge).jwks))


@router.get("/local-issuer/.well-known/openid-configuration", include_in_schema=False)
async def discovery(edge: EdgeDep) -> Response:
    return JSONResponse(dict(_local_issuer(edge).discovery))


def _local_issuer(edge: EdgeDep) -> Issuer:
    if edge.local_issuer is None:
        message = "there is no local issuer here"
        raise NotFoundError(message)
    return edge.local_issuer
