"""Links by which others read a conversation: made, listed, ended."""

from typing import Any

from common.contracts.chat import (
    END_SHARES,
    FIND_SESSION,
    LIST_SHARES,
    SHARE_SESSION,
    SessionRequest,
    ShareSession,
)
from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.endpoints.dependencies import OwnerDep, ServicesDep
from gateway.ports import Services
from gateway.web.pages.route import PageRoute, form_of, see
from gateway.web.rendering import page

router = APIRouter(prefix="/ui/sessions", route_class=PageRoute, include_in_schema=False)


@router.get("/{session_id}/share")
async def shares(services: ServicesDep, owner_id: OwnerDep, session_id: str) -> Response:
    return await _page(services, SessionRequest(owner_id=owner_id, session_id=session_id))


@router.post("/{session_id}/share")
async def share(
    request: Request, services: ServicesDep, owner_id: OwnerDep, session_id: str
) -> Response:
    """The page with the link, which is shown this once."""
    form = await form_of(request)
    wanted: dict[str, Any] = {
        "owner_id": owner_id,
        "session_id": session_id,
        "expires_in_days": form.get("expires_in_days", "30"),
        "with_tools": "with_tools" in form,
        "with_reasoning": "with_reasoning" in form,
    }
    made = await services.call(SHARE_SESSION, ShareSession.model_validate(wanted))
    link = str(request.url_for("shared", token=made.token.get_secret_value()))
    asked = SessionRequest(owner_id=owner_id, session_id=session_id)
    return await _page(services, asked, link=link)


@router.post("/{session_id}/share/end")
async def end(services: ServicesDep, owner_id: OwnerDep, session_id: str) -> Response:
    await services.call(END_SHARES, SessionRequest(owner_id=owner_id, session_id=session_id))
    return see(f"/ui/sessions/{session_id}/share")


async def _page(services: Services, asked: SessionRequest, *, link: str = "") -> Response:
    session = await services.call(FIND_SESSION, asked)
    made = await services.call(LIST_SHARES, asked)
    response = page("share.html", session=session, shares=made.shares, link=link)
    response.headers["Cache-Control"] = "no-store"
    return response
