"""Logging a browser in and out, API tokens, and leaving for good."""

from typing import Annotated

from common.contracts.keys import CREATE_TOKEN, REVOKE_TOKEN, CreateToken, RevokeToken
from common.errors import InvalidError, NotFoundError
from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from gateway.endpoints.dependencies import EdgeDep, PersonDep, ServicesDep
from gateway.service.leaving import leave
from gateway.service.login import WITHIN, Login
from gateway.web.pages.route import PageRoute, field, form_of, own_path, see
from gateway.web.rendering import page

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_LEAVE = "delete everything"
"""What a person types who means it."""


@router.get("/auth/login")
async def login(
    edge: EdgeDep, next_path: Annotated[str, Query(alias="next", max_length=2000)] = "/"
) -> Response:
    begun = await _login(edge).begin(own_path(next_path))
    response = RedirectResponse(begun.url, status_code=303)
    edge.cookies.keep_attempt(response, begun.attempt, WITHIN)
    return response


@router.get("/auth/callback")
async def callback(request: Request, edge: EdgeDep) -> Response:
    login = _login(edge)
    done = await login.finish(request.query_params, edge.cookies.attempt_of(request))
    response = see(done.next_path)
    edge.cookies.keep_session(response, done.session, login.sessions.ttl)
    return response


@router.post("/auth/logout")
async def logout(edge: EdgeDep) -> Response:
    response = see("/auth/logged-out")
    edge.cookies.drop(response)
    return response


@router.get("/auth/logged-out")
async def logged_out(edge: EdgeDep) -> Response:
    return page("logged_out.html", issuer=await _login(edge).farewell(), counts=None)


@router.post("/ui/tokens")
async def create_token(request: Request, services: ServicesDep, owner_id: PersonDep) -> Response:
    form = await form_of(request)
    asked = CreateToken.model_validate(
        {
            "owner_id": owner_id,
            "name": field(form, "name"),
            "scope": field(form, "scope"),
        }
    )
    made = await services.call(CREATE_TOKEN, asked)
    return page("token.html", token=made, value=made.value.get_secret_value())


@router.post("/ui/tokens/revoke")
async def revoke_token(request: Request, services: ServicesDep, owner_id: PersonDep) -> Response:
    form = await form_of(request)
    asked = RevokeToken(owner_id=owner_id, token_id=field(form, "id"))
    await services.call(REVOKE_TOKEN, asked)
    return see("/settings?saved=revoked")


@router.post("/ui/leave")
async def leave_for_good(request: Request, edge: EdgeDep, owner_id: PersonDep) -> Response:
    form = await form_of(request)
    if field(form, "sure").lower() != _LEAVE:
        message = f"Nothing was deleted. Type “{_LEAVE}” if you mean it."
        raise InvalidError(message)
    left = await leave(edge.services, owner_id)
    edge.authenticator.forget(owner_id)
    response = page("logged_out.html", issuer=None, counts=left.counts, pending=left.pending)
    edge.cookies.drop(response)
    return response


def _login(edge: EdgeDep) -> Login:
    if edge.login is None:
        message = "nobody logs in here"
        raise NotFoundError(message)
    return edge.login
