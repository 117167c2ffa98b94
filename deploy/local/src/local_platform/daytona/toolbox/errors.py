"""What the daemon refuses, and the envelope a refusal travels in."""

import errno
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ToolboxError(Exception):
    """A refusal with its HTTP status and Daytona error code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def bad_request(message: str) -> ToolboxError:
    return ToolboxError(400, "BAD_REQUEST", message)


def from_os_error(error: OSError) -> ToolboxError:
    """The refusal for a failed system call; the text names the path as the caller gave it."""
    message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return ToolboxError(404, "FILE_NOT_FOUND", message)
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return ToolboxError(403, "FILE_ACCESS_DENIED", message)
        case errno.EEXIST:
            return ToolboxError(409, "CONFLICT", message)
        case (
            errno.ENOSPC | errno.EDQUOT | errno.EFBIG | errno.EMFILE | errno.EAGAIN | errno.ENOMEM
        ):
            return ToolboxError(500, "INTERNAL_SERVER_ERROR", message)
        case _:
            return ToolboxError(400, "BAD_REQUEST", message)


def envelope(status: int, code: str, message: str) -> dict[str, Any]:
    return {
        "statusCode": status,
        "message": message,
        "code": code,
        "error": HTTPStatus(status).phrase,
        "source": "DAYTONA_DAEMON",
        "timestamp": datetime.now(UTC).isoformat(),
    }


def response(request: web.Request, error: ToolboxError) -> web.Response:
    body = envelope(error.status, error.code, str(error))
    return web.json_response(
        body | {"path": request.path, "method": request.method}, status=error.status
    )


@web.middleware
async def enveloped(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every refusal in the envelope; a bug is a 500 without its text."""
    try:
        return await handler(request)
    except ToolboxError as error:
        return response(request, error)
    except OSError as error:
        return response(request, from_os_error(error))
    except web.HTTPException as error:
        code = HTTPStatus(error.status).name
        return response(request, ToolboxError(error.status, code, error.reason))
    except ValueError as error:
        return response(request, ToolboxError(400, "INVALID_REQUEST_BODY", str(error)))
