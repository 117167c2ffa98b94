"""Refusals of the host and the envelope they travel in.

HostError 500
├── BadRequestError 400
├── UnauthorizedError 401
├── ForbiddenError 403
├── NotFoundError 404
├── ConflictError 409
├── UnprocessableError 422
├── NotServedError 501
└── BadGatewayError 502
"""

import logging
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus

from aiohttp import web

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HostError(Exception):
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    source = "DAYTONA_API"

    def __init__(self, message: str, *, source: str | None = None) -> None:
        super().__init__(message)
        self.source = source or self.source


class BadRequestError(HostError):
    status = HTTPStatus.BAD_REQUEST


class UnauthorizedError(HostError):
    status = HTTPStatus.UNAUTHORIZED


class ForbiddenError(HostError):
    status = HTTPStatus.FORBIDDEN


class NotFoundError(HostError):
    status = HTTPStatus.NOT_FOUND


class ConflictError(HostError):
    status = HTTPStatus.CONFLICT


class UnprocessableError(HostError):
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class NotServedError(HostError):
    status = HTTPStatus.NOT_IMPLEMENTED


class BadGatewayError(HostError):
    status = HTTPStatus.BAD_GATEWAY


def envelope(request: web.Request, error: HostError) -> web.Response:
    # The path alone: a query may carry a credential.
    body = {
        "statusCode": error.status.value,
        "error": error.status.phrase,
        "code": error.status.name,
        "message": str(error),
        "source": error.source,
        "timestamp": datetime.now(UTC).isoformat(),
        "path": request.path,
        "method": request.method,
    }
    return web.json_response(body, status=error.status)


@web.middleware
async def enveloped(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every failure in the envelope; what is not a refusal is logged and hidden."""
    try:
        return await handler(request)
    except HostError as error:
        refusal = error
    except web.HTTPException as error:
        refusal = foreign(request, error)
    except ConnectionError:
        raise
    except (OSError, sqlite3.Error) as error:
        logger.exception("the host's disk or system refused")
        refusal = HostError(f"the local host cannot do this now: {reason(error)}")
    except Exception:
        logger.exception("a request failed")
        refusal = HostError("Internal server error")
    return envelope(request, refusal)


def foreign(request: web.Request, error: web.HTTPException) -> HostError:
    if error.status == HTTPStatus.NOT_FOUND:
        return NotFoundError(f"Cannot {request.method} {request.path}")
    refusal = HostError(error.reason)
    refusal.status = HTTPStatus(error.status)
    return refusal


def reason(error: OSError | sqlite3.Error) -> str:
    """The system's words without a path of the host."""
    return error.strerror or "failed" if isinstance(error, OSError) else str(error)
