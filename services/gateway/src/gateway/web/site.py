"""The pages and their static files, added to the application that serves the API."""

from typing import Any

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from gateway.web.pages import chat, dashboard, docs, home, launching, settings_page, skill
from gateway.web.rendering import STATIC


class _Static(StaticFiles):
    """Files whose address changes with their content."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        response = super().file_response(*args, **options)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def add_pages(app: FastAPI) -> None:
    """Add the pages behind the API's routes: the paths of skills take what is left."""
    app.mount("/static", GZipMiddleware(_Static(directory=STATIC), minimum_size=500))
    for module in (home, dashboard, settings_page, docs, launching, chat, skill):
        app.include_router(module.router)
