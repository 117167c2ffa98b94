"""Who the caller is, how they leave for good, and the local issuer's published keys."""

from common.errors import NotFoundError
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from gateway.endpoints.dependencies import ERRORS, CallerDep, EdgeDep, OwnerDep, PersonDep
from gateway.model.identity import Issuer, Scope
from gateway.service.leaving import leave

router = APIRouter(responses=ERRORS)


class Me(BaseModel):
    """`issuer` and `subject` are None behind an API token: it stands for the owner alone."""

    owner_id: str
    auth: str
    scope: Scope
    issuer: str | None
    subject: str | None
    limits: dict[str, int]


class Left(BaseModel):
    """What there was, as `service.store`; `pending` names the services that are still at it."""

    owner_id: str
    counts: dict[str, int]
    pending: list[str]


@router.get("/api/me", tags=["you"])
async def me(edge: EdgeDep, caller: CallerDep, owner_id: OwnerDep) -> Me:
    """Who you are here."""
    identity = caller.identity
    return Me(
        owner_id=owner_id,
        auth=edge.auth,
        scope=caller.scope,
        issuer=identity.issuer if identity else None,
        subject=identity.subject if identity else None,
        limits=edge.admission.limits if edge.admission else {},
    )


@router.delete("/api/me", tags=["you"])
async def erase_me(edge: EdgeDep, owner_id: PersonDep, response: Response) -> Left:
    """Erase everything of yours: sandbox, sessions, keys, settings, tokens, your name. There is no
    way back; who comes again is somebody new.
    """
    left = await leave(edge.services, owner_id)
    edge.authenticator.forget(owner_id)
    edge.cookies.drop(response)
    return Left(owner_id=owner_id, counts=left.counts, pending=list(left.pending))


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
