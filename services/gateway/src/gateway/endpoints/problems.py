"""Errors as responses, wherever they arise: one form for all."""

import logging
from collections.abc import Mapping
from typing import Any

from common.clock import utc_now
from common.errors import AppError, ErrorCode, InternalError, InvalidError, NotFoundError
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.errors import PROBLEM_TYPE, STATUS, problem, problem_headers
from gateway.model import openai

logger = logging.getLogger(__name__)


class Problem(BaseModel):
    """The body of every error (RFC 9457); an error may carry further members, such as
    `candidates`.
    """

    type: str
    title: str
    status: int
    detail: str
    code: ErrorCode
    retry_at: str | None = None


class Refusal(Response):
    """An error in the form that a path's clients read: RFC 9457, and on `/v1` OpenAI's own."""

    def __init__(
        self, error: AppError, status: int, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status_code=status)
        self._error = error
        self._extra = {**problem_headers(error, utc_now()), **(headers or {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        error, status = self._error, self.status_code
        if scope["path"].startswith("/v1/"):
            retry = {"x-should-retry": openai.should_retry(error)}
            response = JSONResponse(openai.error_body(error), status, self._extra | retry)
        else:
            body = problem(error) | {"status": status}
            response = JSONResponse(body, status, self._extra, media_type=PROBLEM_TYPE)
        await response(scope, receive, send)


def respond(
    error: AppError, *, status: int | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    return Refusal(error, status or int(STATUS[error.code]), headers)


def install(api: FastAPI) -> None:
    """Give every error of the API its response."""
    api.add_exception_handler(AppError, _app_error)
    api.add_exception_handler(RequestValidationError, _bad_request)
    api.add_exception_handler(ValidationError, _bad_message)
    api.add_exception_handler(StarletteHTTPException, http_error)
    api.add_exception_handler(Exception, _bug)


async def _app_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)
    return respond(error)


async def _bad_request(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return respond(_named(error.errors()))


async def _bad_message(_: Request, error: Exception) -> Response:
    """A request to a service could not be built from what the caller sent."""
    assert isinstance(error, ValidationError)
    return respond(_named(error.errors(include_input=False, include_url=False)))


async def http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    if error.status_code == 404:
        return respond(NotFoundError("there is nothing at this path"))
    if error.status_code == 405:
        refused = InvalidError("this path does not take that method")
        return respond(refused, status=405, headers=error.headers)
    return respond(InvalidError("the request is not readable"))


async def _bug(_: Request, __: Exception) -> Response:
    return respond(InternalError("something went wrong on our side"))


def _named(errors: Any) -> InvalidError:
    """Names the fields and never repeats a value, which may be a secret."""
    problems = [
        {"field": ".".join(map(str, item["loc"])) or "body", "message": str(item["msg"])}
        for item in errors
    ]
    detail = "; ".join(f"{item['field']}: {item['message']}" for item in problems)
    return InvalidError(detail, extra={"errors": problems})
