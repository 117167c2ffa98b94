"""The pages and their static files, added to the application that serves the API."""

from typing import Any

from common.errors import InternalError, NotFoundError
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from gateway.endpoints.problems import http_error, respond
from gateway.web.pages import (
    account,
    badge,
    chat,
    dashboard,
    docs,
    home,
    launching,
    repository,
    settings_page,
    shared,
    sharing,
    skill,
    workspace,
)
from gateway.web.pages.route import error_page
from gateway.web.rendering import STATIC

PAGES = (
    *(home, badge, account, dashboard, settings_page, docs, launching, chat, sharing),
    *(workspace, shared, repository, skill),
)


class _Static(StaticFiles):
    """Files whose address changes with their content."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        response = super().file_response(*args, **options)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def add_pages(app: FastAPI) -> None:
    """Add the pages behind the API's routes: the paths of skills take what is left."""
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _bug)
    app.mount("/static", GZipMiddleware(_Static(directory=STATIC), minimum_size=500))
    for module in PAGES:
        app.include_router(module.router)


async def _http_error(request: Request, error: Exception) -> Response:
    """A browser that is lost gets a page; programs get what they always get."""
    is_lost = isinstance(error, HTTPException) and error.status_code == 404
    if is_lost and _wants_page(request):
        return error_page(NotFoundError("This address leads nowhere here."))
    return await http_error(request, error)


async def _bug(request: Request, _: Exception) -> Response:
    error = InternalError("Something went wrong on our side.")
    return error_page(error) if _wants_page(request) else respond(error)


def _wants_page(request: Request) -> bool:
    accepted = request.headers.get("accept", "")
    return "text/html" in accepted and not request.url.path.startswith("/api")
