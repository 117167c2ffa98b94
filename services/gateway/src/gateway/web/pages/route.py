"""What every page's route shares: errors as pages, forms as plain values, services that may be
away.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from common.contracts.sandbox import GET_SANDBOX, OwnerRequest
from common.errors import AppError, InvalidError, UnauthenticatedError, UnavailableError
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from markupsafe import escape
from pydantic import ValidationError
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway.errors import problem
from gateway.ports import Services
from gateway.web.rendering import page, partial

ValueT = TypeVar("ValueT")

_HEADINGS = {
    401: "Who are you?",
    403: "That is not allowed",
    404: "There is no such thing here",
    429: "Too much at once",
    503: "A part of the platform does not answer",
}


class PageRoute(APIRoute):
    """Renders errors as a page, or as an update of the page that asked."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except UnauthenticatedError as exc:
                return _login(request) or error_response(request, exc)
            except AppError as exc:
                return error_response(request, exc)
            except (RequestValidationError, ValidationError):
                return error_response(request, InvalidError("The page was asked for wrongly."))

        return handle


def _login(request: Request) -> Response | None:
    """The way to the login, for a person who opened a page; None where there is none."""
    is_opened = request.method == "GET" and "hx-request" not in request.headers
    is_flow = request.url.path.startswith("/auth/")
    if request.app.state.edge.login is None or not is_opened or is_flow:
        return None
    query = f"?{request.url.query}" if request.url.query else ""
    return see(f"/auth/login?next={quote(request.url.path + query, safe='/')}")


def error_response(request: Request, error: AppError) -> Response:
    body = problem(error)
    if "hx-request" in request.headers:
        target = "#composer-problem" if _is_composer(request) else "#alert"
        html = page_note(error.detail)
        return HTMLResponse(partial(target, html, swap="innerHTML"), status_code=body["status"])
    return error_page(error)


def told(error: AppError) -> dict[str, Any]:
    """The problem as templates read it: every member there, candidates complete."""
    body = {"retry_at": None, **problem(error)}
    usual = {"ref": "", "name": "", "description": ""}
    body["candidates"] = [usual | candidate for candidate in body.get("candidates", [])]
    return body


def error_page(error: AppError) -> Response:
    body = told(error)
    heading = _HEADINGS.get(body["status"], "That did not work")
    return page("error.html", status=body["status"], problem=body, heading=heading)


def page_note(text: str) -> str:
    return f'<p class="note danger">{escape(text)}</p>'


def is_update(request: Request) -> bool:
    """Whether an open page asks, which takes partials."""
    return "hx-request" in request.headers


def _is_composer(request: Request) -> bool:
    return "/ui/sessions/" in request.url.path


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a posted form; files and doubled names are not taken."""
    form = await request.form()
    return {name: value for name, value in form.items() if isinstance(value, str)}


def field(form: dict[str, str], name: str) -> str:
    """A field that must be there."""
    value = form.get(name, "").strip()
    if not value:
        raise InvalidError(f"{name} is missing")
    return value


def own_path(text: str) -> str:
    """`text` where it is a path of this site; anything else is the start page."""
    parts = urlsplit(text)
    is_own = text.startswith("/") and text.isprintable() and not text.startswith(("//", "/\\"))
    return text if is_own and not parts.scheme and not parts.netloc else "/"


def see(path: str) -> Response:
    return RedirectResponse(path, status_code=303)


def known(visitor: str | None) -> str:
    """The owner, where only an owner may look."""
    if visitor is None:
        message = "log in first"
        raise UnauthenticatedError(message)
    return visitor


async def is_isolated(services: Services, visitor: str | None) -> bool:
    """Whether skills run isolated, as far as is known."""
    if visitor is None:
        return True
    sandbox = await if_there(services.call(GET_SANDBOX, OwnerRequest(owner_id=visitor)))
    return sandbox is None or sandbox.isolation != "none"


async def if_there(asking: Awaitable[ValueT]) -> ValueT | None:
    """The answer, or None while its service is away: one part of a page then says so."""
    try:
        return await asking
    except UnavailableError:
        return None
